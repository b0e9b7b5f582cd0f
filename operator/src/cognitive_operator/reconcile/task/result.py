"""Reads the result of a finished task from its status or from the object bucket."""

import hashlib
import json
from typing import Any

from pydantic import ValidationError

from cognitive_operator.api.conditions import Phase
from cognitive_operator.api.resources import ResultRef
from cognitive_operator.errors import ObjectNotFoundError, ResultError
from cognitive_operator.ports.broker import ObjectReader
from cognitive_operator.ports.kube import Body


async def result_of(body: Body, objects: ObjectReader) -> dict[str, Any]:
    """Return a task's result: from its status, or from the object that its status names, verified by size and hash.

    Raises:
        ResultError: There is no result, or it does not match the status. Do not retry.
        BrokerUnavailableError: The caller should retry.
    """
    place = f"task {body['metadata']['namespace']}/{body['metadata']['name']}"
    status = body.get("status") or {}
    phase = status.get("phase")
    if phase != Phase.SUCCEEDED:
        why = f" ({status.get('reason')}): {status.get('message')}" if status.get("reason") else ""
        raise ResultError(f"{place} has no result: it is {phase or 'new'}{why}")
    if isinstance(result := status.get("result"), dict):
        return result
    try:
        ref = ResultRef.model_validate(status.get("resultRef"))
    except ValidationError as error:
        raise ResultError(f"{place} succeeded, but its status has neither result nor resultRef") from error
    return _parsed(place, await _checked(place, ref, objects))


async def _checked(place: str, ref: ResultRef, objects: ObjectReader) -> bytes:
    try:
        content = await objects.read(ref.bucket, ref.name)
    except ObjectNotFoundError as error:
        raise ResultError(f"{place}: its result is no longer on the broker: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if (len(content), found) != (ref.size_bytes, ref.sha256):
        raise ResultError(
            f"{place}: object {ref.name} of bucket {ref.bucket} is not the result: found {len(content)} bytes with "
            f"SHA-256 {found}, expected {ref.size_bytes} with {ref.sha256}"
        )
    return content


def _parsed(place: str, content: bytes) -> dict[str, Any]:
    try:
        result = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{place}: its result is not JSON") from error
    if not isinstance(result, dict):
        raise ResultError(f"{place}: its result is not a JSON object")
    return result
