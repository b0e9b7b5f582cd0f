"""Creation and correction of streams and consumers."""

from collections.abc import Mapping
from typing import Any

from cognitive_operator.adapters.nats.jetstream import NAME_IN_USE, JetStream, JetStreamError
from cognitive_operator.adapters.nats.stream_specs import ConsumerSpec, StreamSpec


async def ensure_stream(js: JetStream, spec: StreamSpec) -> bool:
    """Create a stream (True), or restore those of its settings that the operator owns.

    Several operators may do so at the same time.

    Raises:
        BrokerUnavailableError: Also when a setting cannot be changed on an existing stream; the text names it.
    """
    present = await js.call_optional(f"STREAM.INFO.{spec.name}")
    if present is None and await _created(js, spec):
        return True
    present = present or await js.call(f"STREAM.INFO.{spec.name}")
    config = present["config"]
    if _differs(config, spec.owned):
        await js.call(f"STREAM.UPDATE.{spec.name}", {**config, **spec.owned})
    return False


async def ensure_consumer(js: JetStream, spec: ConsumerSpec) -> None:
    """Create a consumer, or restore those of its settings that the operator owns.

    A consumer whose settings cannot be changed is replaced. The new one delivers every message again, which is
    harmless: each finds a claim or a terminal status.
    """
    present = await js.call_optional(f"CONSUMER.INFO.{spec.stream}.{spec.name}")
    if present is None:
        await _put_consumer(js, spec, spec.owned)
    elif _differs(present["config"], spec.owned):
        try:
            await _put_consumer(js, spec, {**present["config"], **spec.owned})
        except JetStreamError:
            await js.call_optional(f"CONSUMER.DELETE.{spec.stream}.{spec.name}")
            await _put_consumer(js, spec, spec.owned)


def _differs(present: Mapping[str, Any], owned: Mapping[str, Any]) -> bool:
    return any(present.get(name) != value for name, value in owned.items())


async def _created(js: JetStream, spec: StreamSpec) -> bool:
    """Create a stream; False if another operator created it first, with other settings."""
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
