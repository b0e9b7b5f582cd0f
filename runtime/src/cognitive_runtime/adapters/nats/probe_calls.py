"""Broker calls that test a right or a stream without changing anything."""

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
"""Placeholder for a task's UID or a worker's name; nothing is ever stored under it."""
_NOTHING: Final = f".{_MARK}" * 5
"""Placeholder for the numbers of an acknowledgement; the server ignores it."""
_UNREADABLE: Final = b"{"
"""Invalid JSON, which JetStream refuses with an error and no other effect."""
_NEVER: Final = {"Nats-Expected-Last-Subject-Sequence": str(2**53 - 1)}
"""Header that no stream can satisfy: the stream refuses the message, which proves that the stream exists."""


@dataclass(frozen=True)
class ProbeCall:
    """One broker call."""

    names: tuple[str, str]
    """Object that is missing without a responder, and action that is forbidden after a refusal."""
    subject: str
    payload: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    waits: bool = True
    """True if the call has an answer. Without one, only a refusal is visible."""
    subscribes: bool = False


def agent_probe_calls(namespace: str, agent_uid: str) -> tuple[ProbeCall, ...]:
    """Return one call for each right that ``docs/reference/wire.md`` grants to an agent."""
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
        ProbeCall(
            ("", "receiving control messages"), control_subject(namespace, agent_uid), waits=False, subscribes=True
        ),
    )


def layout_probe_calls() -> tuple[ProbeCall, ...]:
    """Return calls for the streams and buckets that all agents share. They need the right to read streams."""
    streams = {
        REQUEST_STREAM: REQUEST_STREAM,
        RESPONSE_STREAM: RESPONSE_STREAM,
        f"KV_{CLAIM_BUCKET}": f"bucket {CLAIM_BUCKET}",
        f"KV_{LEASE_BUCKET}": f"bucket {LEASE_BUCKET}",
    }
    subject = "$JS.API.DIRECT.GET"
    return tuple(
        ProbeCall((name, f"reading {name}"), f"{subject}.{stream}", _UNREADABLE) for stream, name in streams.items()
    )
