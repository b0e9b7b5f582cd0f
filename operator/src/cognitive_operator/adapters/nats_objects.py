"""Large results in object buckets. Source of the format: NATS ADR-20."""

import base64
import json
import re

from cognitive_operator.adapters.jetstream import JetStream
from cognitive_operator.adapters.nats_layout import object_stream

_NUID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What an executor may call the chunks of an object: nothing that would match other subjects."""


async def delete_object(js: JetStream, bucket: str, name: str) -> None:
    """Remove an object with its chunks, leaving no marker; an absent object or bucket is no error."""
    stream = object_stream(bucket)
    meta = f"$O.{bucket}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"
    found = await js.call_absent_ok(f"STREAM.MSG.GET.{stream}", {"last_by_subj": meta})
    if found is None:
        return
    nuid = _nuid(found.get("message", {}).get("data", ""))
    if nuid is not None:
        await js.purge(stream, f"$O.{bucket}.C.{nuid}")
    await js.purge(stream, meta)


async def list_objects(js: JetStream, bucket: str) -> set[str]:
    """Return the names of the objects in a bucket, none of an absent one."""
    prefix = f"$O.{bucket}."
    found = [s.removeprefix(prefix) async for s in js.subjects(object_stream(bucket), f"{prefix}M.>")]
    return {name for subject in found if (name := _decoded(subject.removeprefix("M."))) is not None}


def _decoded(encoded: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(encoded).decode()
    except ValueError:
        return None


def _nuid(data: str) -> str | None:
    try:
        nuid = json.loads(base64.b64decode(data))["nuid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return nuid if isinstance(nuid, str) and _NUID.fullmatch(nuid) else None
