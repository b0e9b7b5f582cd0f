"""Large results and inputs, kept in the agent's object bucket."""

import asyncio
import base64
import json
from dataclasses import dataclass
from typing import Any, Final

import nats.errors
from nats.js.errors import Error
from nats.js.object_store import OBJ_STREAM_TEMPLATE, ObjectStore

from cognitive_runtime.adapters.nats.connection import BrokerConnection
from cognitive_runtime.adapters.nats.errors import BrokerUnavailable, PermanentBrokerError, TransientBrokerError
from cognitive_runtime.adapters.nats.jetstream import last_message, next_message
from cognitive_runtime.adapters.nats.subjects import result_bucket
from cognitive_runtime.domain import InputRef, InputUnavailable

_RETRY_S: Final = 0.5
_ABSENT_AFTER_S: Final = 10.0
"""A replica of the bucket may lag behind: only then an object is said to be absent."""


async def put_object(broker: BrokerConnection, agent_uid: str, name: str, data: bytes) -> None:
    """Store an object in the agent's bucket, in place of one of the same name.

    Raises:
        BrokerUnavailable: The bucket does not exist yet, is full, or did not answer. Retry.
    """
    bucket = result_bucket(agent_uid)
    store = ObjectStore(bucket, OBJ_STREAM_TEMPLATE.format(bucket=bucket), broker.jetstream())
    try:
        await store.put(name, data)
    except (nats.errors.Error, Error, OSError) as error:
        raise BrokerUnavailable(f"object bucket {bucket}: {error!r}") from error


@dataclass(frozen=True)
class NatsInputs:
    """Reads the inputs of one agent by direct gets, which name the agent's own bucket. Implements ``IInputStore``."""

    broker: BrokerConnection
    agent_uid: str

    async def fetch(self, ref: InputRef) -> bytes:
        """Return what is stored; waits for the broker, and a while for the object."""
        if ref.bucket != result_bucket(self.agent_uid):
            raise InputUnavailable(f"The input's bucket {ref.bucket} is not the agent's own.")
        loop = asyncio.get_running_loop()
        absent_since: float | None = None
        while absent_since is None or loop.time() - absent_since < _ABSENT_AFTER_S:
            await self.broker.wait_connected()
            try:
                content = await self._read(ref)
            except (TransientBrokerError, PermanentBrokerError):
                await asyncio.sleep(_RETRY_S)
                continue
            if content is not None:
                return content
            absent_since = absent_since or loop.time()
            await asyncio.sleep(_RETRY_S)
        raise InputUnavailable(f"Object {ref.name} of bucket {ref.bucket}, which holds the input, does not exist.")

    async def _read(self, ref: InputRef) -> bytes | None:
        """Return the object, None if it is absent or incomplete."""
        stream, encoded = OBJ_STREAM_TEMPLATE.format(bucket=ref.bucket), base64.urlsafe_b64encode(ref.name.encode())
        about = _description(await last_message(self.broker, stream, f"$O.{ref.bucket}.M.{encoded.decode()}"))
        if about is None:
            return None
        parts: list[bytes] = []
        after = 0
        for _ in range(int(about["chunks"])):
            found = await next_message(self.broker, stream, f"$O.{ref.bucket}.C.{about['nuid']}", after + 1)
            if found is None:
                return None
            after, part = found
            parts.append(part)
        return b"".join(parts)


def _description(data: bytes | None) -> dict[str, Any] | None:
    try:
        found = json.loads(data or b"")
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"nuid", "chunks"} <= set(found) else None
