"""Members of a deliberation and its judge, each of which answers, fails or hangs as scripted."""

import asyncio
from typing import Any

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.application import Deliberate, IMemberStore, SharedBudget
from cognitive_runtime.domain import ExecutionRequest, InternalError, ModelBehaviour, Reasoning, ReasoningError, Usage

Script = Reasoning | Exception | None
"""Answer of a member, its failure, or None: it hangs."""
USAGE = Usage(10, 5, 15)


def answer(decision: str = "a", thought: str = "xy", **fields: Any) -> Reasoning:
    """Return an answer with a decision."""
    own: dict[str, Any] = {"confidence": 0.5, "usage": USAGE}
    return Reasoning({"decision": decision}, thought, **own | fields)


def error(found: ReasoningError, usage: Usage = USAGE, thought: str = "") -> ReasoningError:
    """Return an error with what was used and thought before it."""
    found.usage, found.thought = usage, thought
    return found


class Members:
    """Implements ``IMemberReasoner``: a script for each member, and one for the judge."""

    def __init__(self, *scripts: Script, judge: Script = None) -> None:
        self.scripts = dict(enumerate(scripts, 1))
        self.judge = judge
        self.asked: list[ExecutionRequest] = []
        self.budgets: set[int] = set()
        self.rooms: list[int] = []
        """Tokens that the budget has left, as each member finds them."""
        self.hanging = asyncio.Event()

    async def reason(self, request: ExecutionRequest, budget: SharedBudget | None = None) -> Reasoning:
        self.asked.append(request)
        self.budgets.add(id(budget))
        self.rooms.append(budget.answer_tokens(0, 1000) if budget else 0)
        script = self.scripts[request.member.number] if request.member else self.judge
        if script is None:
            self.hanging.set()
            return await self._hang()
        await asyncio.sleep(0)
        if isinstance(script, Exception):
            raise script
        return script

    async def _hang(self) -> Reasoning:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:  # as the cognitive core does
            raise error(InternalError("The reasoning was cancelled."), Usage(3, 0, 3), "abc") from None
        raise AssertionError

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        return (ModelBehaviour("http://m/v1", "m"),)

    @property
    def numbers(self) -> list[int]:
        return [request.member.number for request in self.asked if request.member]


async def run(members: Members, request: ExecutionRequest, store: IMemberStore | None = None) -> Reasoning:
    """Deliberate once and return the selected answer."""
    return await Deliberate(members, SystemClock(), store).reason(request)
