"""Creation and correction of streams and consumers."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from cognitive_operator.adapters.nats.jetstream import NAME_IN_USE, JetStream, JetStreamError
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.adapters.nats.stream_specs import INSTALLATION, ConsumerSpec, StreamSpec
from cognitive_operator.errors import BrokerUnavailableError

_logger = logging.getLogger(__name__)


class ForeignStreamError(BrokerUnavailableError):
    """A stream belongs to another installation, so this one must not use the broker."""

    def __init__(self, stream: str, owner: str, own: str) -> None:
        super().__init__(
            f'Stream {stream} on the broker belongs to installation "{owner}"; this operator is installation "{own}". '
            "Give each installation a broker, or a NATS account, of its own. To take the streams over from an "
            f"installation that no longer runs, or after its signing key was lost, set COGNITIVE_TAKE_OVER={owner}."
        )


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
    owned = _with_metadata(spec, metadata_of(present))
    if _differs(config, owned):
        await js.call(f"STREAM.UPDATE.{spec.name}", {**config, **owned})
    return False


async def check_owner(js: JetStream, specs: Sequence[StreamSpec], settings: NatsSettings) -> None:
    """Compare the owner of each stream that exists with this installation; a stream without an owner is free.

    Raises:
        ForeignStreamError: A stream belongs to another installation. Change nothing on the broker then.
    """
    for spec in specs if settings.installation else ():
        owner = metadata_of(await js.call_optional(f"STREAM.INFO.{spec.name}")).get(INSTALLATION, "")
        if owner not in ("", settings.installation, settings.take_over):
            raise ForeignStreamError(spec.name, owner, settings.installation)


def metadata_of(stream: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the metadata in the description of a stream; empty if the stream is absent."""
    return dict(((stream or {}).get("config") or {}).get("metadata") or {})


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
        except JetStreamError as error:
            reason = f"its settings differ and cannot be changed: {error}"
            fields = {"object": f"consumer {spec.name} of stream {spec.stream}", "reason": reason}
            _logger.warning("deleting from the broker", extra=fields)
            await js.call_optional(f"CONSUMER.DELETE.{spec.stream}.{spec.name}")
            await _put_consumer(js, spec, spec.owned)


def _differs(present: Mapping[str, Any], owned: Mapping[str, Any]) -> bool:
    return any(present.get(name) != value for name, value in owned.items())


async def _created(js: JetStream, spec: StreamSpec) -> bool:
    """Create a stream; False if another operator created it first, with other settings."""
    try:
        config = {"name": spec.name, **spec.initial, **_with_metadata(spec, {})}
        await js.call(f"STREAM.CREATE.{spec.name}", config)
    except JetStreamError as error:
        if error.err_code != NAME_IN_USE:
            raise
        return False
    return True


def _with_metadata(spec: StreamSpec, present: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings to write: the operator's own, with the present metadata updated by the operator's keys."""
    return {**spec.owned, "metadata": {**present, **spec.metadata}} if spec.metadata else dict(spec.owned)


async def _put_consumer(js: JetStream, spec: ConsumerSpec, config: Mapping[str, Any]) -> None:
    subject_filter = spec.owned.get("filter_subject")
    api = ".".join(filter(None, ("CONSUMER.CREATE", spec.stream, spec.name, subject_filter)))
    named = {**config, "name": spec.name, "durable_name": spec.name}
    await js.call(api, {"stream_name": spec.stream, "config": named})
