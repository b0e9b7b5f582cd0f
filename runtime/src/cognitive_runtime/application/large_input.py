"""Fetching of inputs that are too large for their requests."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from cognitive_runtime.domain import (
    ExecutionRequest,
    IInputStore,
    InputRef,
    InputUnavailable,
    IReasoner,
    ModelBehaviour,
    Reasoning,
)


@dataclass(frozen=True)
class LargeInputReasoner:
    """An ``IReasoner`` that fetches the whole input before it calls ``inner``."""

    inner: IReasoner
    store: IInputStore

    async def reason(self, request: ExecutionRequest) -> Reasoning:
        """Reason about one request with ``inner``.

        Raises:
            InputUnavailable: The input is absent, or differs from the request's description.
        """
        if request.input_ref is None:
            return await self.inner.reason(request)
        content = await self.store.fetch(request.input_ref)
        return await self.inner.reason(replace(request, input=_checked(content, request.input_ref), input_ref=None))

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        """Return the learnt behaviour of ``inner``."""
        return self.inner.learnt()


def _checked(content: bytes, ref: InputRef) -> dict[str, Any]:
    if (len(content), hashlib.sha256(content).hexdigest()) != (ref.size_bytes, ref.sha256):
        raise InputUnavailable(f"Object {ref.name} of bucket {ref.bucket} is not the input that the request names.")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputUnavailable(f"Object {ref.name} of bucket {ref.bucket} is not a JSON object.")
    return found
