"""A reasoner that does what a test tells it, and counts."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from cognitive_runtime.domain import ExecutionRequest, ModelBehaviour, Reasoning

Script = Callable[[ExecutionRequest], Awaitable[Reasoning]]


async def answer(_: ExecutionRequest) -> Reasoning:
    """Answer at once."""
    return Reasoning(outputs={"proposed_solution": "Write replicas: 3."}, thought="a word is no number", confidence=0.9)


def answer_after(finish: asyncio.Event) -> Script:
    """Answer when ``finish`` is set."""

    async def wait_then_answer(request: ExecutionRequest) -> Reasoning:
        await finish.wait()
        return await answer(request)

    return wait_then_answer


async def hang(_: ExecutionRequest) -> Reasoning:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


@dataclass
class ScriptedReasoner:
    """Implements ``IReasoner``."""

    script: Script = answer
    executions: Counter[str] = field(default_factory=Counter)
    """Number of executions begun, by attempt ID."""
    behaviour: tuple[ModelBehaviour, ...] = ()
    """Learnt behaviour that leases and outcomes report."""

    async def reason(self, request: ExecutionRequest) -> Reasoning:
        self.executions[request.attempt_id] += 1
        return await self.script(request)

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        return self.behaviour
