"""Object buckets of JetStream. Source of the format: NATS ADR-20."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from cognitive_operator.adapters.nats.jetstream import JetStream
from cognitive_operator.adapters.nats.stream_specs import object_stream
from cognitive_operator.errors import ObjectNotFoundError

CHUNK_BYTES: Final = 128 * 1024
_CHUNKS_AT_ONCE: Final = 16
MAX_OBJECT_BYTES: Final = 16 * 1024 * 1024
"""Largest object that is read into memory, whatever size its description names."""

_NUID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Valid name of an object's chunks, which an executor chooses: it must not match the subjects of other objects."""


class ObjectBucket:
    """Stores, reads, deletes and lists the objects of one bucket."""

    def __init__(self, js: JetStream, bucket: str) -> None:
        self._js = js
        self._bucket = bucket
        self._stream = object_stream(bucket)

    async def put(self, name: str, content: bytes) -> None:
        """Store an object, replace one of the same name, and return when the bucket has all chunks.

        An object with the same content is left unchanged, since an executor may be reading it.
        """
        digest = f"SHA-256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()}"
        present = await self._describe(name)
        if present is not None and (present.get("digest"), present.get("size")) == (digest, len(content)):
            return
        await self.delete(name)
        nuid, starts = uuid4().hex, range(0, len(content), CHUNK_BYTES)
        for start in starts:
            await self._js.publish(self._chunks(nuid), content[start : start + CHUNK_BYTES], {})
        description = {
            "name": name,
            "bucket": self._bucket,
            "nuid": nuid,
            "size": len(content),
            "chunks": len(starts),
            "digest": digest,
            "mtime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "options": {"max_chunk_size": CHUNK_BYTES},
        }
        await self._js.publish(self._meta(name), json.dumps(description).encode(), {"Nats-Rollup": "sub"})

    async def read(self, name: str) -> bytes:
        """Return an object's content; the caller compares it with the expected size and digest.

        Raises:
            ObjectNotFoundError: The bucket or the object is absent, or the object is incomplete or too large.
        """
        description = await self._describe(name) or {}
        nuid, count = _nuid(description), description.get("chunks")
        if nuid is None or not isinstance(count, int):
            raise ObjectNotFoundError(f"object bucket {self._bucket} has no object {name}")
        parts: list[bytes] = []
        after = 0
        while len(parts) < count:
            limit = min(_CHUNKS_AT_ONCE, count - len(parts))
            chunks = await self._js.read(self._stream, self._chunks(nuid), after + 1, limit)
            if not chunks:
                left = f"{len(parts)} of its {count} parts left"
                raise ObjectNotFoundError(f"object {name} of bucket {self._bucket} has {left}")
            parts += [chunk.data for chunk in chunks]
            if sum(map(len, parts)) > MAX_OBJECT_BYTES:
                limit_text = f"larger than {MAX_OBJECT_BYTES} bytes"
                raise ObjectNotFoundError(f"object {name} of bucket {self._bucket} is {limit_text}")
            after = chunks[-1].sequence
        return b"".join(parts)

    async def exists(self, name: str) -> bool:
        """Return True if the bucket has an object of this name, even a damaged one."""
        body = {"last_by_subj": self._meta(name)}
        return await self._js.call_optional(f"STREAM.MSG.GET.{self._stream}", body) is not None

    async def delete(self, name: str) -> bool:
        """Delete an object with its chunks, leaving no marker; False: the object or the bucket does not exist."""
        meta = self._meta(name)
        found = await self._js.call_optional(f"STREAM.MSG.GET.{self._stream}", {"last_by_subj": meta})
        if found is None:
            return False
        nuid = _nuid(_parsed(found) or {})
        if nuid is not None:
            await self._js.purge(self._stream, self._chunks(nuid))
        await self._js.purge(self._stream, meta)
        return True

    async def list(self) -> set[str]:
        """Return the names of the objects; an absent bucket has none."""
        if await self._js.call_optional(f"STREAM.INFO.{self._stream}", {}) is None:
            return set()
        prefix = f"$O.{self._bucket}.M."
        found = [s.removeprefix(prefix) async for s in self._js.subjects(self._stream, f"{prefix}>")]
        return {name for encoded in found if (name := _decoded(encoded)) is not None}

    async def _describe(self, name: str) -> dict[str, Any] | None:
        body = {"last_by_subj": self._meta(name)}
        found = await self._js.call_optional(f"STREAM.MSG.GET.{self._stream}", body)
        return None if found is None else _parsed(found)

    def _meta(self, name: str) -> str:
        return f"$O.{self._bucket}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"

    def _chunks(self, nuid: str) -> str:
        return f"$O.{self._bucket}.C.{nuid}"


def _decoded(encoded: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(encoded).decode()
    except ValueError:
        return None


def _parsed(stored: dict[str, Any]) -> dict[str, Any] | None:
    """Return the description in a stored message, None if it is malformed."""
    try:
        found = json.loads(base64.b64decode(stored.get("message", {}).get("data", "")))
    except (ValueError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _nuid(description: dict[str, Any]) -> str | None:
    nuid = description.get("nuid")
    return nuid if isinstance(nuid, str) and _NUID.fullmatch(nuid) else None
