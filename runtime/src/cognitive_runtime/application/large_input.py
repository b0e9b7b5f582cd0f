"""Fetches an input that is too large for its request, before anything thinks about it."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from cognitive_runtime.domain import ExecutionRequest, IInputStore, InputRef, InputUnavailable, IReasoner, Reasoning


@dataclass(frozen=True)
class LargeInputReasoner:
    """An ``IReasoner`` whose ``inner`` one sees every request with its whole input."""

    inner: IReasoner
    store: IInputStore

    async def reason(self, request: ExecutionRequest) -> Reasoning:
        """Think about one request, as ``inner`` does.

        Raises:
            InputUnavailable: The input cannot be had.
        """
        if request.input_ref is None:
            return await self.inner.reason(request)
        content = await self.store.fetch(request.input_ref)
        return await self.inner.reason(replace(request, input=_checked(content, request.input_ref), input_ref=None))


def _checked(content: bytes, ref: InputRef) -> dict[str, Any]:
    if (len(content), hashlib.sha256(content).hexdigest()) != (ref.size_bytes, ref.sha256):
        raise InputUnavailable(f"Object {ref.name} of bucket {ref.bucket} is not the input that the request names.")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputUnavailable(f"Object {ref.name} of bucket {ref.bucket} is no JSON object.")
    return found
