"""Large results, reasoning and inputs in the agent's object bucket. Source of the format: NATS ADR-20."""

import asyncio
import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from cognitive_runtime.adapters.nats.connection import BrokerConnection
from cognitive_runtime.adapters.nats.errors import PermanentBrokerError, TransientBrokerError
from cognitive_runtime.adapters.nats.jetstream import last_message, next_message, store, store_alone
from cognitive_runtime.adapters.nats.subjects import result_bucket
from cognitive_runtime.domain import InputRef, InputUnavailable

CHUNK_BYTES: Final = 128 * 1024


@dataclass(frozen=True)
class InputTiming:
    """Intervals of reading an input, in seconds."""

    retry_s: float = 0.5
    absent_after_s: float = 10.0
    """An object counts as absent only after this time, because a replica of the bucket may lag behind."""


async def put_object(broker: BrokerConnection, agent_uid: str, name: str, data: bytes) -> None:
    """Store an object in the agent's bucket. Replaces an object of the same name.

    All uploads of a name use the same subject for their chunks, and the first chunk removes the chunks of an
    interrupted upload. So the executor needs no right to purge.

    Raises:
        BrokerUnavailable: The bucket does not exist yet or did not answer. Retry.
        StreamFull: The bucket is full. Retry.
    """
    bucket, nuid = result_bucket(agent_uid), hashlib.sha256(name.encode()).hexdigest()[:32]
    chunks = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
    for number, chunk in enumerate(chunks):
        put = store if number else store_alone
        await put(broker, f"$O.{bucket}.C.{nuid}", chunk)
    description = {
        "name": name,
        "bucket": bucket,
        "nuid": nuid,
        "size": len(data),
        "chunks": len(chunks),
        "digest": f"SHA-256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()}",
        "mtime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "options": {"max_chunk_size": CHUNK_BYTES},
    }
    await store_alone(broker, _description_subject(bucket, name), json.dumps(description).encode())


@dataclass(frozen=True)
class NatsInputs:
    """Reads the inputs of one agent from its bucket by direct gets. Implements ``IInputStore``."""

    broker: BrokerConnection
    agent_uid: str
    timing: InputTiming = field(default_factory=InputTiming)

    async def fetch(self, ref: InputRef) -> bytes:
        """Return the object's content. Waits for the broker, and ``absent_after_s`` seconds for the object."""
        if ref.bucket != result_bucket(self.agent_uid):
            raise InputUnavailable(f"The input's bucket {ref.bucket} is not the agent's own.")
        loop = asyncio.get_running_loop()
        absent_since: float | None = None
        while absent_since is None or loop.time() - absent_since < self.timing.absent_after_s:
            await self.broker.wait_connected()
            try:
                content = await self._read(ref)
            except (TransientBrokerError, PermanentBrokerError):
                await asyncio.sleep(self.timing.retry_s)
                continue
            if content is not None:
                return content
            absent_since = absent_since or loop.time()
            await asyncio.sleep(self.timing.retry_s)
        raise InputUnavailable(f"Object {ref.name} of bucket {ref.bucket}, which holds the input, does not exist.")

    async def _read(self, ref: InputRef) -> bytes | None:
        """Return the object's content, or None if the object is absent or incomplete."""
        stream = f"OBJ_{ref.bucket}"
        description = _parse_description(
            await last_message(self.broker, stream, _description_subject(ref.bucket, ref.name))
        )
        if description is None:
            return None
        parts: list[bytes] = []
        after = 0
        for _ in range(int(description["chunks"])):
            found = await next_message(self.broker, stream, f"$O.{ref.bucket}.C.{description['nuid']}", after + 1)
            if found is None:
                return None
            after, part = found
            parts.append(part)
        return b"".join(parts)


def _description_subject(bucket: str, name: str) -> str:
    return f"$O.{bucket}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"


def _parse_description(data: bytes | None) -> dict[str, Any] | None:
    try:
        found = json.loads(data or b"")
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"nuid", "chunks"} <= set(found) else None
