"""Calls of the broker that show a right and a stream, and change nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cognitive_runtime.adapters.nats.subjects import (
    CLAIM_BUCKET,
    LEASE_BUCKET,
    REQUEST_STREAM,
    RESPONSE_STREAM,
    control_subject,
    result_bucket,
)

_MARK: Final = "doctor"
"""In place of a task's UID or a worker's name: nothing is ever stored under it."""
_NOTHING: Final = f".{_MARK}" * 5
"""In place of the numbers that say what is acknowledged: the server makes nothing of it."""
_UNREADABLE: Final = b"{"
"""JetStream answers a request that is no JSON with an error, and does nothing."""
_NEVER: Final = {"Nats-Expected-Last-Subject-Sequence": str(2**53 - 1)}
"""A stream refuses to store a message that expects an impossible predecessor; by that it shows that it is there."""


@dataclass(frozen=True)
class ProbeCall:
    """One call."""

    names: tuple[str, str]
    """What is missing if nobody answers, and what the agent may not do if it is refused."""
    subject: str
    payload: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    waits: bool = True
    """Whether there is an answer; without one, only a refusal is seen."""
    subscribes: bool = False


def agent_probe_calls(namespace: str, agent_uid: str) -> tuple[ProbeCall, ...]:
    """Return one trial for each right that ``docs/reference/wire.md`` grants to an agent."""
    attempt, bucket = f"{namespace}.{agent_uid}.{_MARK}.1", result_bucket(agent_uid)
    consumer, results = f"consumer {agent_uid} of {REQUEST_STREAM}", f"object bucket {bucket}"
    api, direct = "$JS.API", "$JS.API.DIRECT.GET"
    stored = (
        ((f"bucket {CLAIM_BUCKET}", "claiming"), f"$KV.{CLAIM_BUCKET}.{agent_uid}.{_MARK}"),
        ((f"bucket {LEASE_BUCKET}", "renewing the lease"), f"$KV.{LEASE_BUCKET}.{agent_uid}.{_MARK}"),
        ((RESPONSE_STREAM, "publishing results"), f"agent.response.completed.{attempt}"),
        ((RESPONSE_STREAM, "publishing failures"), f"agent.response.failed.{attempt}"),
        ((results, "storing large results"), f"$O.{bucket}.C.{_MARK}"),
    )
    asked = (
        ((consumer, "pulling requests"), f"{api}.CONSUMER.MSG.NEXT.{REQUEST_STREAM}.{agent_uid}", _UNREADABLE),
        ((REQUEST_STREAM, "reading a request"), f"{direct}.{REQUEST_STREAM}.agent.request.{attempt}", b""),
        (
            (f"bucket {CLAIM_BUCKET}", "reading claims"),
            f"{direct}.KV_{CLAIM_BUCKET}.$KV.{CLAIM_BUCKET}.{agent_uid}.{_MARK}",
            b"",
        ),
        ((results, "reading large inputs"), f"{direct}.OBJ_{bucket}", _UNREADABLE),
        ((results, "finding large inputs"), f"{direct}.OBJ_{bucket}.$O.{bucket}.M.{_MARK}", b""),
    )
    return (
        *(ProbeCall(names, subject, headers=_NEVER) for names, subject in stored),
        *(ProbeCall(names, subject, payload) for names, subject, payload in asked),
        ProbeCall(("", "acknowledging requests"), f"$JS.ACK.{REQUEST_STREAM}.{agent_uid}{_NOTHING}", waits=False),
        ProbeCall(("", "hearing the operator"), control_subject(namespace, agent_uid), waits=False, subscribes=True),
    )


def layout_probe_calls() -> tuple[ProbeCall, ...]:
    """Return trials of the streams and buckets that all agents share, for who may look at streams."""
    streams = {
        REQUEST_STREAM: REQUEST_STREAM,
        RESPONSE_STREAM: RESPONSE_STREAM,
        f"KV_{CLAIM_BUCKET}": f"bucket {CLAIM_BUCKET}",
        f"KV_{LEASE_BUCKET}": f"bucket {LEASE_BUCKET}",
    }
    subject = "$JS.API.DIRECT.GET"
    return tuple(
        ProbeCall((name, f"looking at {name}"), f"{subject}.{stream}", _UNREADABLE) for stream, name in streams.items()
    )
