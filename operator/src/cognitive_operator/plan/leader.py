"""Choice of the leader among operators: the highest priority of those that are alive.

Source: the records that Kopf's peering keeps in the status of a KopfPeering or a ClusterKopfPeering.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True)
class Candidate:
    """This operator's entry in the peering."""

    identity: str
    priority: int
    """Random for each process: of two operators with the same priority neither becomes the leader."""


def is_leader(me: Candidate, records: Mapping[str, Any], now: datetime) -> bool:
    """Return True if this operator is the leader.

    Args:
        me: This operator.
        records: The record of each operator, by identity.
        now: The time, with its zone.
    """
    if me.identity not in records:
        return False
    return not any(
        identity != me.identity and _is_ahead(me, record) and _is_alive(record, now)
        for identity, record in records.items()
    )


def _is_ahead(me: Candidate, record: Any) -> bool:
    return isinstance(record, Mapping) and int(record.get("priority", 0)) >= me.priority


def _is_alive(record: Mapping[str, Any], now: datetime) -> bool:
    try:
        last_seen = datetime.fromisoformat(str(record["lastseen"]))
        return last_seen + timedelta(seconds=int(record.get("lifetime", 60))) > now
    except (KeyError, ValueError, TypeError):  # not written by an operator
        return False
