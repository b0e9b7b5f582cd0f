"""Streams, buckets and consumers as the wire wants them: their settings, and how they are brought about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cognitive_operator.adapters.nats.connection import NatsSettings
from cognitive_operator.adapters.nats.jetstream import NAME_IN_USE, JetStream, JetStreamError
from cognitive_operator.api import names

_S = 1_000_000_000
"""Durations are nanoseconds on the wire of JetStream."""
_DEAD_LETTERS_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class StreamSpec:
    """A stream that must exist."""

    name: str
    owned: Mapping[str, Any]
    """Settings that promises rest on: put back when somebody changed them."""
    initial: Mapping[str, Any] = field(default_factory=dict)
    """Settings at creation; an administrator may change them."""


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
    """Return the consumer that an agent's executors pull requests from."""
    owned = {"ack_policy": "explicit", "deliver_policy": "all", "ack_wait": 5 * _S, "max_deliver": 5}
    subject = f"agent.request.{namespace}.{agent_uid}.>"
    return ConsumerSpec(names.REQUEST_STREAM, agent_uid, {**owned, "filter_subject": subject})


def results_stream(agent_uid: str, settings: NatsSettings) -> StreamSpec:
    """Return the object bucket of an agent's large results."""
    bucket = names.results_bucket(agent_uid)
    owned = {
        "subjects": [f"$O.{bucket}.C.>", f"$O.{bucket}.M.>"],
        "allow_rollup_hdrs": True,
        "allow_direct": True,
        "discard": "new",
    }
    return StreamSpec(object_stream(bucket), owned, _initial(settings))


async def ensure_stream(js: JetStream, spec: StreamSpec) -> bool:
    """Create the stream (True), or put back those of its settings that are ours. Others may do the same at once.

    Raises:
        BrokerUnavailableError: Also when a setting cannot be changed on an existing stream; the text names it.
    """
    present = await js.call_absent_ok(f"STREAM.INFO.{spec.name}")
    if present is None and await _created(js, spec):
        return True
    present = present or await js.call(f"STREAM.INFO.{spec.name}")
    config = present["config"]
    if _differs(config, spec.owned):
        await js.call(f"STREAM.UPDATE.{spec.name}", {**config, **spec.owned})
    return False


async def ensure_consumer(js: JetStream, spec: ConsumerSpec) -> None:
    """Create the consumer, or put back those of its settings that are ours.

    One whose settings cannot be changed is made anew: what it delivers again finds a claim or a terminal status.
    """
    present = await js.call_absent_ok(f"CONSUMER.INFO.{spec.stream}.{spec.name}")
    if present is None:
        await _put_consumer(js, spec, spec.owned)
    elif _differs(present["config"], spec.owned):
        try:
            await _put_consumer(js, spec, {**present["config"], **spec.owned})
        except JetStreamError:
            await js.call_absent_ok(f"CONSUMER.DELETE.{spec.stream}.{spec.name}")
            await _put_consumer(js, spec, spec.owned)


def _messages(name: str, subject: str, settings: NatsSettings, **owned: int) -> StreamSpec:
    common = {"subjects": [subject], "retention": "limits", "discard": "new", "allow_direct": True}
    return StreamSpec(name, {**common, **owned}, _initial(settings))


def _dead_letters(settings: NatsSettings) -> StreamSpec:
    """Return the stream of what nobody can use: whoever fills it pushes out the oldest, and never stops the rest."""
    bounds = {"max_age": settings.response_max_age_s * _S, "max_bytes": _DEAD_LETTERS_BYTES}
    owned = {"subjects": ["agent.dead_letter.>"], "retention": "limits", "discard": "old"}
    return StreamSpec(names.DEAD_LETTER_STREAM, owned, {**_initial(settings), **bounds})


def _bucket(bucket: str, ttl_s: int, settings: NatsSettings) -> StreamSpec:
    owned = {
        "subjects": [f"$KV.{bucket}.>"],
        "retention": "limits",
        "discard": "new",
        "max_msgs_per_subject": 1,
        "max_age": ttl_s * _S,
        "allow_direct": True,
        "allow_rollup_hdrs": False,  # with one message an agent could remove those of all others
        "deny_delete": True,
    }
    return StreamSpec(kv_stream(bucket), owned, {**_initial(settings), "duplicate_window": min(ttl_s, 120) * _S})


def _initial(settings: NatsSettings) -> dict[str, Any]:
    return {"storage": "file", "num_replicas": settings.replicas}


def _differs(present: Mapping[str, Any], owned: Mapping[str, Any]) -> bool:
    return any(present.get(name) != value for name, value in owned.items())


async def _created(js: JetStream, spec: StreamSpec) -> bool:
    """Create a stream; False if another operator was faster with other settings."""
    try:
        await js.call(f"STREAM.CREATE.{spec.name}", {"name": spec.name, **spec.initial, **spec.owned})
    except JetStreamError as error:
        if error.err_code != NAME_IN_USE:
            raise
        return False
    return True


async def _put_consumer(js: JetStream, spec: ConsumerSpec, config: Mapping[str, Any]) -> None:
    subject_filter = spec.owned.get("filter_subject")
    api = ".".join(filter(None, ("CONSUMER.CREATE", spec.stream, spec.name, subject_filter)))
    named = {**config, "name": spec.name, "durable_name": spec.name}
    await js.call(api, {"stream_name": spec.stream, "config": named})
