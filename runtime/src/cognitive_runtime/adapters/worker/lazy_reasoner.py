"""Reasoning that is loaded while its executor already connects and claims."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from cognitive_runtime.domain import ExecutionRequest, IReasoner, Reasoning


@dataclass
class LazyReasoner:
    """An ``IReasoner`` that is made in a thread: importing a reasoning framework takes seconds."""

    make: Callable[[], IReasoner]
    _loading: asyncio.Task[IReasoner] | None = field(default=None)

    async def load(self) -> IReasoner:
        """Return the reasoner when it is there; more than once is no error."""
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(self.make))
        return await asyncio.shield(self._loading)

    async def reason(self, request: ExecutionRequest) -> Reasoning:
        """Think about one request, as the loaded reasoner does."""
        return await (await self.load()).reason(request)
