"""Token budget of an attempt."""

from typing import Final

from cognitive_runtime.domain.errors import BudgetExceeded

MIN_ANSWER_TOKENS: Final = 32
"""A call with less room for its answer is not made: the prompt would cost tokens and the answer would be useless."""


class TokenBudget:
    """Counts the tokens of all model calls of one attempt, repairs included."""

    def __init__(self, limit: int | None) -> None:
        """Take the tokens that earlier attempts of the task have left; None: unlimited."""
        self._limit = limit
        self.used = 0

    def grant(self, prompt_tokens: int, wanted: int) -> int:
        """Return the maximum tokens for the answer of the next call, at most ``wanted``.

        Args:
            prompt_tokens: Estimated tokens of the prompt.
            wanted: Maximum tokens of the answer without a budget.

        Raises:
            BudgetExceeded: The remaining tokens are not enough for the prompt and an answer.
        """
        if self._limit is None:
            return wanted
        left = self._limit - self.used - prompt_tokens
        if left < min(wanted, MIN_ANSWER_TOKENS):
            raise BudgetExceeded(
                f"spec.budget.tokens: the attempt has {self._limit - self.used} of its {self._limit} tokens left; the "
                f"next model call needs about {prompt_tokens} for its prompt, and more for its answer."
            )
        return min(wanted, left)

    def spend(self, tokens: int) -> None:
        """Count the tokens of a call.

        Raises:
            BudgetExceeded: The call used more than the remaining tokens.
        """
        self.used += tokens
        if self._limit is not None and self.used > self._limit:
            raise BudgetExceeded(
                f"The attempt has used {self.used} tokens, but spec.budget.tokens left it {self._limit}."
            )
