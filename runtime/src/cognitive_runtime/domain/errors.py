"""Errors of an attempt: one class for each ``error_type`` of the wire, retryable or not."""

from typing import TYPE_CHECKING, ClassVar

from cognitive_runtime.domain.calls import ModelCalls
from cognitive_runtime.domain.endpoint import ModelEndpoint
from cognitive_runtime.domain.usage import Usage

if TYPE_CHECKING:
    from cognitive_runtime.domain.deliberation_result import DeliberationResult
    from cognitive_runtime.domain.tools import Artifact, AuditEntry, Operation


class ReasoningError(Exception):
    """Base of every classified failure of an attempt.

    The message is one sentence for users. It never contains a secret, a prompt or the text of an answer.

    Attributes:
        retry_after_s: Seconds that the model server asked to wait, or None.
        usage: Tokens that the attempt had used when it failed.
        calls: Model calls of the attempt up to the failure.
        answered_by: Model that answered last before the failure, or None.
        thought: The model's reasoning up to the failure, as far as it is readable. Its length determines the energy.
            Shown to users if ``shows_thought``.
        native_reasoning: Thinking of a reasoning model up to the failure, which it wrote beside its answer.
        deliberation: Members of a deliberation that failed, or None.
        operations: Calls of tools up to the failure.
        artifacts: Large answers of tools up to the failure.
        audit_trail: Events in the use of tools up to the failure.
    """

    retryable: ClassVar[bool] = False
    shows_thought: ClassVar[bool] = False
    """True if the reasoning is shown to users in place of a result."""

    def __init__(self, message: str, *, retry_after_s: float | None = None, usage: Usage | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.usage = usage or Usage()
        self.calls = ModelCalls()
        self.answered_by: ModelEndpoint | None = None
        self.thought = ""
        self.native_reasoning = ""
        self.deliberation: DeliberationResult | None = None
        self.operations: tuple[Operation, ...] = ()
        self.artifacts: tuple[Artifact, ...] = ()
        self.audit_trail: tuple[AuditEntry, ...] = ()

    @property
    def error_type(self) -> str:
        """Value of ``error_type`` on the wire."""
        return type(self).__name__


class RetryableReasoningError(ReasoningError):
    """Base of the failures that may not occur again in another attempt."""

    retryable: ClassVar[bool] = True


class DeadlineExceeded(ReasoningError):
    """The attempt ran for its time limit."""


class Cancelled(ReasoningError):
    """The operator stopped the attempt."""


class LeaseLost(RetryableReasoningError):
    """The worker lost its lease and stopped the attempt."""


class ModelTimeout(RetryableReasoningError):
    """The model did not answer within the time limit of a call."""


class ModelUnavailable(RetryableReasoningError):
    """No connection to the model server, or HTTP 5xx."""


class RateLimited(RetryableReasoningError):
    """The model server answered HTTP 429."""


class QuotaExceeded(ReasoningError):
    """The account's quota or credit at the provider is used up. Waiting does not help; its owner must act."""


class CredentialsRefused(ReasoningError):
    """The model server refused the API key (HTTP 401 or 403)."""


class BadRequest(ReasoningError):
    """The model server refused the request with another HTTP 4xx."""


class ContextLengthExceeded(ReasoningError):
    """Prompt and answer do not fit the model's context window."""


class EmptyResponse(RetryableReasoningError):
    """The model answered without content."""


class TruncatedResponse(RetryableReasoningError):
    """The answer was cut off at the token limit and cannot be used."""


class OutputParseError(RetryableReasoningError):
    """The answer does not match the outputs of the task type, after one repair."""


class OutputInvalid(RetryableReasoningError):
    """The answer's ``output`` does not satisfy the task's output schema, after one repair."""

    shows_thought: ClassVar[bool] = True


class BudgetExceeded(ReasoningError):
    """The task's token budget is used up, or the next call does not fit the remaining tokens."""

    shows_thought: ClassVar[bool] = True


class ContentRefused(ReasoningError):
    """The model or its content filter refused to answer."""


class CredentialsNotMounted(RetryableReasoningError):
    """A file of the agent's credentials is absent or empty."""


class LedgerUnavailable(RetryableReasoningError):
    """The quota store is unavailable, and calls that cannot be counted are not made."""


class InvalidRequest(ReasoningError):
    """The request violates the wire contract, or its input does not match its task type."""


class InputUnavailable(RetryableReasoningError):
    """The object that holds the input is absent, or differs from the request's description."""


class ToolsUnavailable(RetryableReasoningError):
    """No server of the agent's tools answers, or its workspace cannot be opened."""


class NoProgress(ReasoningError):
    """The steps or the calls of tools were used up without an answer."""

    shows_thought: ClassVar[bool] = True


class InternalError(RetryableReasoningError):
    """Any other failure, such as a crash."""
