"""Large results and inputs in object buckets. Source of the format: NATS ADR-20."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from cognitive_operator.adapters.nats.jetstream import JetStream
from cognitive_operator.adapters.nats.layout import object_stream
from cognitive_operator.errors import ObjectNotFoundError

CHUNK_BYTES: Final = 128 * 1024
_CHUNKS_AT_ONCE: Final = 16
MAX_OBJECT_BYTES: Final = 16 * 1024 * 1024
"""No more of an object is taken into memory, whatever its description says."""

_NUID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What an executor may call the chunks of an object: nothing that would match other subjects."""


async def put_object(js: JetStream, bucket: str, name: str, content: bytes) -> None:
    """Store an object in place of one of the same name; returns when the bucket has all of it.

    One with the same content stays as it is: somebody may be reading it.
    """
    digest = f"SHA-256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()}"
    present = await _about(js, bucket, name)
    if present is not None and (present.get("digest"), present.get("size")) == (digest, len(content)):
        return
    await delete_object(js, bucket, name)
    nuid, count = uuid4().hex, 0
    for at in range(0, len(content), CHUNK_BYTES):
        await js.publish(f"$O.{bucket}.C.{nuid}", content[at : at + CHUNK_BYTES], {})
        count += 1
    description = {
        "name": name,
        "bucket": bucket,
        "nuid": nuid,
        "size": len(content),
        "chunks": count,
        "digest": digest,
        "mtime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "options": {"max_chunk_size": CHUNK_BYTES},
    }
    await js.publish(_meta(bucket, name), json.dumps(description).encode(), {"Nats-Rollup": "sub"})


async def read_object(js: JetStream, bucket: str, name: str) -> bytes:
    """Return an object's content. It is for the caller to check it against what it should be.

    Raises:
        ObjectNotFoundError: There is no such bucket or object, or not all of it.
    """
    stream = object_stream(bucket)
    about = await _about(js, bucket, name)
    nuid, count = (about or {}).get("nuid"), (about or {}).get("chunks")
    if not isinstance(nuid, str) or not _NUID.fullmatch(nuid) or not isinstance(count, int):
        raise ObjectNotFoundError(f"object bucket {bucket} has no object {name}")
    parts: list[bytes] = []
    after = 0
    while len(parts) < count:
        chunks = await js.read(stream, f"$O.{bucket}.C.{nuid}", after + 1, min(_CHUNKS_AT_ONCE, count - len(parts)))
        if not chunks:
            raise ObjectNotFoundError(f"object {name} of bucket {bucket} has {len(parts)} of its {count} parts left")
        parts += [chunk.data for chunk in chunks]
        if sum(map(len, parts)) > MAX_OBJECT_BYTES:
            raise ObjectNotFoundError(f"object {name} of bucket {bucket} is larger than {MAX_OBJECT_BYTES} bytes")
        after = chunks[-1].sequence
    return b"".join(parts)


async def delete_object(js: JetStream, bucket: str, name: str) -> None:
    """Remove an object with its chunks, leaving no marker; an absent object or bucket is no error."""
    stream = object_stream(bucket)
    meta = _meta(bucket, name)
    found = await js.call_absent_ok(f"STREAM.MSG.GET.{stream}", {"last_by_subj": meta})
    if found is None:
        return
    nuid = _nuid(found.get("message", {}).get("data", ""))
    if nuid is not None:
        await js.purge(stream, f"$O.{bucket}.C.{nuid}")
    await js.purge(stream, meta)


async def list_objects(js: JetStream, bucket: str) -> set[str]:
    """Return the names of the objects in a bucket, none of an absent one."""
    if await js.call_absent_ok(f"STREAM.INFO.{object_stream(bucket)}", {}) is None:
        return set()
    prefix = f"$O.{bucket}."
    found = [s.removeprefix(prefix) async for s in js.subjects(object_stream(bucket), f"{prefix}M.>")]
    return {name for subject in found if (name := _decoded(subject.removeprefix("M."))) is not None}


def _decoded(encoded: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(encoded).decode()
    except ValueError:
        return None


async def _about(js: JetStream, bucket: str, name: str) -> dict[str, Any] | None:
    found = await js.call_absent_ok(f"STREAM.MSG.GET.{object_stream(bucket)}", {"last_by_subj": _meta(bucket, name)})
    return None if found is None else _description(found.get("message", {}).get("data", ""))


def _meta(bucket: str, name: str) -> str:
    return f"$O.{bucket}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"


def _description(data: str) -> dict[str, Any] | None:
    try:
        found = json.loads(base64.b64decode(data))
    except (ValueError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _nuid(data: str) -> str | None:
    nuid = (_description(data) or {}).get("nuid")
    return nuid if isinstance(nuid, str) and _NUID.fullmatch(nuid) else None
