"""Why an attempt failed: one class for each ``error_type`` of the wire, and whether another attempt may help."""

from typing import ClassVar

from cognitive_runtime.domain.endpoint import ModelEndpoint
from cognitive_runtime.domain.usage import Usage


class ReasoningError(Exception):
    """Base of every classified failure of an attempt.

    The message is one sentence for people: it never holds a secret, prompt or answer text.

    Attributes:
        retry_after_s: Seconds that the model server asked to wait, None if it did not say.
        usage: Tokens that the attempt had spent when it failed.
        answered_by: The model that answered last before the attempt failed, None if none did.
        thought: What the model had thought by then, as far as it can be read; its length is what the energy is counted
            by. Shown where ``shows_thought``.
    """

    retryable: ClassVar[bool] = False
    shows_thought: ClassVar[bool] = False
    """Whether people are shown what was thought, in place of a result."""

    def __init__(self, message: str, *, retry_after_s: float | None = None, usage: Usage | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.usage = usage or Usage()
        self.answered_by: ModelEndpoint | None = None
        self.thought = ""

    @property
    def error_type(self) -> str:
        """The class on the wire."""
        return type(self).__name__


class RetryableReasoningError(ReasoningError):
    """Base of the failures that another attempt may not meet."""

    retryable: ClassVar[bool] = True


class DeadlineExceeded(ReasoningError):
    """The task's running time passed."""


class Cancelled(ReasoningError):
    """The operator stopped the attempt."""


class LeaseLost(RetryableReasoningError):
    """The worker could not renew its lease and stopped the attempt itself."""


class ModelTimeout(RetryableReasoningError):
    """The model did not answer within its own time limit."""


class ModelUnavailable(RetryableReasoningError):
    """No connection to the model server, or HTTP 5xx."""


class RateLimited(RetryableReasoningError):
    """The model server answered HTTP 429."""


class BadRequest(ReasoningError):
    """The model server refused the request with another HTTP 4xx."""


class ContextLengthExceeded(ReasoningError):
    """Prompt and answer do not fit the model's window."""


class EmptyResponse(RetryableReasoningError):
    """The model answered without content."""


class TruncatedResponse(RetryableReasoningError):
    """The answer was cut off at the token limit and cannot be used."""


class OutputParseError(RetryableReasoningError):
    """The answer does not satisfy the task type's outputs, after one repair."""


class OutputInvalid(RetryableReasoningError):
    """The answer's ``output`` does not satisfy the task's output schema, after one repair."""

    shows_thought: ClassVar[bool] = True


class BudgetExceeded(ReasoningError):
    """The task's attempts have used the tokens that it may use, or the next call does not fit what is left."""

    shows_thought: ClassVar[bool] = True


class ContentRefused(ReasoningError):
    """The model or its content filter refused."""


class CredentialsNotMounted(RetryableReasoningError):
    """A file of the agent's credentials is absent or empty."""


class LedgerUnavailable(RetryableReasoningError):
    """The place where the agent's limits are kept cannot be reached, and no call is made without counting it."""


class InvalidRequest(ReasoningError):
    """The request does not satisfy the wire's contract, or its input its task type."""


class InputUnavailable(RetryableReasoningError):
    """The object that holds the input is absent, or is not what the request says."""


class InternalError(RetryableReasoningError):
    """Anything else, a crash inside a signature too."""
