"""Registry of incidents, bounded in number and size."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_INCIDENTS: Final = 1000
"""Maximum number of registered incidents. The oldest is dropped first."""
MAX_INCIDENT_BYTES: Final = 256 * 1024
"""Maximum size of one incident as JSON."""
MAX_TOTAL_BYTES: Final = 32 * 1024 * 1024
"""Maximum size of all incidents as JSON. The oldest is dropped first."""


class UnknownIncident(LookupError):
    """No incident is registered under an id."""

    def __init__(self, incident_id: str) -> None:
        super().__init__(
            f"incident_id {incident_id!r} is not registered; register the incident first, or send incident_context"
        )


class InvalidIncident(ValueError):
    """An incident cannot be registered. The message names the field."""


@dataclass(frozen=True)
class _Stored:
    content: Mapping[str, Any]
    size_bytes: int
    salience: float | None


class Incidents:
    """Registered incidents by id. Not thread-safe: it belongs to one event loop."""

    def __init__(self, max_incidents: int = MAX_INCIDENTS, max_total_bytes: int = MAX_TOTAL_BYTES) -> None:
        self._max_incidents = max_incidents
        self._max_total_bytes = max_total_bytes
        self._stored: OrderedDict[str, _Stored] = OrderedDict()
        self._number = 0
        self._total_bytes = 0

    @property
    def count(self) -> int:
        """Number of registered incidents."""
        return len(self._stored)

    def log_incident(self, incident: Mapping[str, Any], salience_score: float | None = None) -> str:
        """Register an incident and return its id: its own ``incident_id``, or else a new one.

        An incident with a registered id replaces the earlier one.

        Raises:
            InvalidIncident: The incident is empty, no JSON object or too large, or its id or salience is invalid.
        """
        size_bytes = _checked_size(incident, salience_score)
        identity = self._identity(incident)
        self._drop(identity)
        self._stored[identity] = _Stored({**incident, "incident_id": identity}, size_bytes, salience_score)
        self._total_bytes += size_bytes
        while len(self._stored) > self._max_incidents or self._total_bytes > self._max_total_bytes:
            self._drop(next(iter(self._stored)))
        return identity

    def get_incident(self, incident_id: str) -> dict[str, Any]:
        """Return a registered incident, with its salience if one was given.

        Raises:
            UnknownIncident: No incident has the id, or it was dropped.
        """
        found = self._stored.get(incident_id)
        if found is None:
            raise UnknownIncident(incident_id)
        return dict(found.content) | ({} if found.salience is None else {"salience_score": found.salience})

    def _identity(self, incident: Mapping[str, Any]) -> str:
        if "incident_id" not in incident:
            self._number += 1
            return f"incident-{self._number:06d}"
        given = incident["incident_id"]
        if not isinstance(given, str) or not given.strip() or len(given) > 253:
            raise InvalidIncident("incident_id must be a text of 1 to 253 characters")
        return given

    def _drop(self, identity: str) -> None:
        found = self._stored.pop(identity, None)
        if found is not None:
            self._total_bytes -= found.size_bytes


def _checked_size(incident: Mapping[str, Any], salience: float | None) -> int:
    if not isinstance(incident, Mapping) or not incident:
        raise InvalidIncident("the incident must be a JSON object with at least one field")
    if salience is not None and not 0 <= salience <= 1:
        raise InvalidIncident(f"salience_score is {salience:g}; expected a number from 0 to 1")
    try:
        size = len(json.dumps(dict(incident), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"))
    except (TypeError, ValueError, RecursionError):
        raise InvalidIncident("the incident is not JSON; convert its values to text, numbers, lists or dicts") from None
    if size > MAX_INCIDENT_BYTES:
        raise InvalidIncident(f"the incident has {size} bytes; at most {MAX_INCIDENT_BYTES} are allowed")
    return size
