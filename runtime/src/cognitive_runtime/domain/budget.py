"""How many tokens an attempt may still use."""

from typing import Final

from cognitive_runtime.domain.errors import BudgetExceeded

MIN_ANSWER_TOKENS: Final = 32
"""A call that leaves less than this to the answer is not made: nothing useful fits, and its prompt would be paid."""


class TokenBudget:
    """Counts what the calls of one attempt use up, all of them: repairs too."""

    def __init__(self, limit: int | None) -> None:
        """Take what earlier attempts of the task have left; None: no bound."""
        self._limit = limit
        self.used = 0

    def grant(self, prompt_tokens: int, wanted: int) -> int:
        """Return the most tokens that the answer of the next call may have, at most ``wanted``.

        Args:
            prompt_tokens: What the prompt is likely to cost.
            wanted: What the answer might have without a budget.

        Raises:
            BudgetExceeded: What is left has no room for the prompt and an answer.
        """
        if self._limit is None:
            return wanted
        left = self._limit - self.used - prompt_tokens
        if left < min(wanted, MIN_ANSWER_TOKENS):
            raise BudgetExceeded(
                f"The next call of the model needs about {prompt_tokens} tokens for its prompt, others for its answer; "
                f"of the {self._limit} that spec.budget.tokens left to this attempt {self._limit - self.used} remain."
            )
        return min(wanted, left)

    def spend(self, tokens: int) -> None:
        """Count what a call has used.

        Raises:
            BudgetExceeded: It used more than was left.
        """
        self.used += tokens
        if self._limit is not None and self.used > self._limit:
            raise BudgetExceeded(
                f"The attempt has used {self.used} tokens; spec.budget.tokens left it no more than {self._limit}."
            )
