"""Settings of the streams, buckets and consumers that the wire prescribes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.api import names

_REQUESTS_OF = "agent.request."
_S = 1_000_000_000
"""A second in nanoseconds, JetStream's unit of durations."""
INSTALLATION = f"{names.GROUP}/installation"
"""Key of a stream's metadata: the identity of the installation that owns the stream."""
NAMESPACE = f"{names.GROUP}/namespace"
"""Key of an object bucket's metadata: the namespace of its agent."""
_DEAD_LETTERS_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class StreamSpec:
    """A stream that must exist."""

    name: str
    owned: Mapping[str, Any]
    """Settings that the operator depends on: restored when an administrator changed them."""
    initial: Mapping[str, Any] = field(default_factory=dict)
    """Settings at creation; an administrator may change them."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Metadata that the operator owns; other keys are left unchanged."""


@dataclass(frozen=True)
class ConsumerSpec:
    """A durable pull consumer that must exist."""

    stream: str
    name: str
    owned: Mapping[str, Any]


def kv_stream(bucket: str) -> str:
    """Return the name of the stream beneath a key-value bucket."""
    return f"KV_{bucket}"


def object_stream(bucket: str) -> str:
    """Return the name of the stream beneath an object bucket."""
    return f"OBJ_{bucket}"


def shared_streams(settings: NatsSettings) -> tuple[StreamSpec, ...]:
    """Return the streams and key-value buckets that all agents share."""
    return (
        _messages(names.REQUEST_STREAM, "agent.request.>", settings, max_age=24 * 3600 * _S, max_msgs_per_subject=1),
        _messages(
            names.RESPONSE_STREAM,
            "agent.response.>",
            settings,
            max_age=settings.response_max_age_s * _S,
            duplicate_window=120 * _S,
        ),
        _dead_letters(settings),
        _bucket(names.CLAIM_BUCKET, 48 * 3600, settings),
        _bucket(names.LEASE_BUCKET, 60, settings),
    )


def response_consumer() -> ConsumerSpec:
    """Return the consumer that all operators share."""
    owned = {"ack_policy": "explicit", "deliver_policy": "all", "ack_wait": 30 * _S, "max_ack_pending": 1000}
    return ConsumerSpec(names.RESPONSE_STREAM, names.RESPONSE_CONSUMER, {**owned, "max_deliver": -1})


def request_consumer(namespace: str, agent_uid: str) -> ConsumerSpec:
    """Return the consumer from which an agent's executors pull requests."""
    owned = {"ack_policy": "explicit", "deliver_policy": "all", "ack_wait": 5 * _S, "max_deliver": 5}
    subject = f"{_REQUESTS_OF}{namespace}.{agent_uid}.>"
    return ConsumerSpec(names.REQUEST_STREAM, agent_uid, {**owned, "filter_subject": subject})


def namespace_of_consumer(filter_subject: str) -> str:
    """Return the namespace of an agent by the filter of its consumer; empty for another filter."""
    if not filter_subject.startswith(_REQUESTS_OF):
        return ""
    return filter_subject.removeprefix(_REQUESTS_OF).partition(".")[0]


def results_stream(namespace: str, agent_uid: str, settings: NatsSettings) -> StreamSpec:
    """Return the object bucket of an agent's large results."""
    bucket = names.results_bucket(agent_uid)
    owned = {
        "subjects": [f"$O.{bucket}.C.>", f"$O.{bucket}.M.>"],
        "allow_rollup_hdrs": True,
        "allow_direct": True,
        "discard": "new",
    }
    return StreamSpec(object_stream(bucket), owned, _initial(settings), {NAMESPACE: namespace, **_mark(settings)})


def _messages(name: str, subject: str, settings: NatsSettings, **owned: int) -> StreamSpec:
    common = {"subjects": [subject], "retention": "limits", "discard": "new", "allow_direct": True}
    return StreamSpec(name, {**common, **owned}, _initial(settings), _mark(settings))


def _dead_letters(settings: NatsSettings) -> StreamSpec:
    """Return the stream of unusable messages. It is bounded: new ones displace the oldest, no other stream fills up."""
    bounds = {"max_age": settings.response_max_age_s * _S, "max_bytes": _DEAD_LETTERS_BYTES}
    owned = {"subjects": ["agent.dead_letter.>"], "retention": "limits", "discard": "old"}
    return StreamSpec(names.DEAD_LETTER_STREAM, owned, {**_initial(settings), **bounds}, _mark(settings))


def _bucket(bucket: str, ttl_s: int, settings: NatsSettings) -> StreamSpec:
    owned = {
        "subjects": [f"$KV.{bucket}.>"],
        "retention": "limits",
        "discard": "new",
        "max_msgs_per_subject": 1,
        "max_age": ttl_s * _S,
        "allow_direct": True,
        "allow_rollup_hdrs": False,  # by one such message an agent could delete the keys of all others
        "deny_delete": True,
    }
    initial = {**_initial(settings), "duplicate_window": min(ttl_s, 120) * _S}
    return StreamSpec(kv_stream(bucket), owned, initial, _mark(settings))


def _mark(settings: NatsSettings) -> dict[str, str]:
    return {INSTALLATION: settings.installation} if settings.installation else {}


def _initial(settings: NatsSettings) -> dict[str, Any]:
    return {"storage": "file", "num_replicas": settings.replicas}
