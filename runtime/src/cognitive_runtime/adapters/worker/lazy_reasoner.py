"""Reasoner that is loaded in the background while the executor connects and claims."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from cognitive_runtime.domain import ExecutionRequest, IReasoner, ModelBehaviour, Reasoning


@dataclass
class LazyReasoner:
    """An ``IReasoner`` created in a thread, because importing a reasoning framework takes seconds."""

    make: Callable[[], IReasoner]
    _loading: asyncio.Task[IReasoner] | None = field(default=None)

    async def load(self) -> IReasoner:
        """Return the reasoner once it is loaded. Idempotent."""
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(self.make))
        return await asyncio.shield(self._loading)

    @property
    def is_loaded(self) -> bool:
        """True once the reasoner is loaded."""
        loading = self._loading
        return loading is not None and loading.done() and not loading.cancelled() and loading.exception() is None

    async def reason(self, request: ExecutionRequest) -> Reasoning:
        """Reason about one request with the loaded reasoner."""
        return await (await self.load()).reason(request)

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        """Return the learnt behaviour of the loaded reasoner; empty until it is loaded, or if it cannot be loaded."""
        return self._loading.result().learnt() if self._loading is not None and self.is_loaded else ()
