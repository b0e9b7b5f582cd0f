"""The operator's errors: retry after a TransientError, never after a PermanentError."""


class CognitiveOperatorError(Exception):
    """Base of all errors raised by the operator's own code."""


class TransientError(CognitiveOperatorError):
    """The same call may succeed later. Retry with backoff."""


class PermanentError(CognitiveOperatorError):
    """The same call fails again. Report it and do not retry."""


class ApiUnavailableError(TransientError):
    """The Kubernetes API did not answer, or answered 429 or 5xx."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class KindAbsentError(ApiUnavailableError):
    """The API server does not serve the kind, because its CRD is not installed. Retry later."""


class ConflictError(TransientError):
    """The object changed since it was read (409). Read it again, then repeat the planning."""


class ForbiddenError(TransientError):
    """The operator lacks an RBAC permission (403). Retry with backoff until it is granted."""


class ObjectNotFoundError(PermanentError):
    """The object does not exist (404)."""


class ObjectInvalidError(PermanentError):
    """The API server rejects the object's content (400, 413, 422)."""


class NameTakenError(PermanentError):
    """An object of this name exists and has another owner. The operator does not change it."""


class BrokerUnavailableError(TransientError):
    """NATS does not answer, or JetStream or a stream is unavailable."""


class RayUnavailableError(TransientError):
    """The Ray dashboard does not answer, or answers 5xx."""


class RayRefusedError(PermanentError):
    """The Ray dashboard rejects the request (4xx)."""


class ResultError(PermanentError):
    """A task has no result, or the stored result differs from its status; the message names the task and the reason."""


class MessageError(PermanentError):
    """A message on the broker violates the wire's schema or has a wrong signature."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ContentError(MessageError):
    """A message has the right signature, but its content is unusable: its sender will not send a better one."""

    def __init__(self, message: str) -> None:
        super().__init__("Malformed", message)
