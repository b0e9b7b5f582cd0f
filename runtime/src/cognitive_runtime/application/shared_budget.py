"""Token budget of one attempt, shared by its concurrent model calls and by the members of a deliberation."""

import asyncio

from cognitive_runtime.domain import BudgetExceeded, TokenBudget


class SharedBudget:
    """Token budget that reserves the tokens of running calls. Belongs to the attempt's event loop."""

    def __init__(self, limit: int | None) -> None:
        """Take the tokens that earlier attempts of the task have left; None: unlimited."""
        self._budget = TokenBudget(limit)
        self._reserved = 0
        self._released = asyncio.Event()
        """Set when the next call ends. Then another event takes its place."""

    def answer_tokens(self, prompt_tokens: int, wanted: int) -> int:
        """Return the maximum tokens of an answer, at most ``wanted``. Reserves nothing.

        Raises:
            BudgetExceeded: The tokens would not be enough even if the running calls used none.
        """
        try:
            return self._budget.grant(self._reserved + prompt_tokens, wanted)
        except BudgetExceeded:
            if not self._reserved:
                raise
        return self._budget.grant(prompt_tokens, wanted)  # the call waits until the running ones have left enough

    def reserve(self, prompt_tokens: int, wanted: int) -> int | None:
        """Reserve a call's tokens and return the maximum of its answer; None: it must wait for a running call.

        Raises:
            BudgetExceeded: The remaining tokens are not enough, and no call is running.
        """
        try:
            granted = self._budget.grant(self._reserved + prompt_tokens, wanted)
        except BudgetExceeded:
            if not self._reserved:
                raise
            return None
        self._reserved += prompt_tokens + granted
        return granted

    async def wait_released(self) -> None:
        """Wait until a running call ends."""
        await self._released.wait()

    def release(self, tokens: int) -> None:
        """Return the tokens that a call had reserved, and wake the calls that wait for them."""
        self._reserved -= tokens
        self._released.set()
        self._released = asyncio.Event()

    def spend(self, tokens: int) -> None:
        """Count the tokens of a call.

        Raises:
            BudgetExceeded: The call used more than the remaining tokens.
        """
        self._budget.spend(tokens)

    def add(self, tokens: int) -> None:
        """Count the tokens of a call that failed, or of one of an earlier process."""
        self._budget.used += tokens
