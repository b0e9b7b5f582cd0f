"""The operator's errors: Transient ones are worth another try, Permanent ones are not."""


class CognitiveOperatorError(Exception):
    """Base of all errors raised by the operator's own code."""


class TransientError(CognitiveOperatorError):
    """The same call may succeed later: retry with backoff."""


class PermanentError(CognitiveOperatorError):
    """The same call will fail again: report it, do not retry."""


class ApiUnavailableError(TransientError):
    """The Kubernetes API did not answer, or answered 429 or 5xx."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class KindAbsentError(ApiUnavailableError):
    """The API server does not serve the kind: what brings it is not installed (yet). Look again later."""


class ConflictError(TransientError):
    """The object changed since it was read (409): read it again and plan anew."""


class ForbiddenError(TransientError):
    """The API server refuses the operator a right (403): back off until RBAC grants it."""


class ObjectNotFoundError(PermanentError):
    """The object does not exist (404)."""


class ObjectInvalidError(PermanentError):
    """The API server refuses the content (400, 413, 422)."""


class NameTakenError(PermanentError):
    """An object of this name is there and belongs to somebody else: it is left as it is."""


class BrokerUnavailableError(TransientError):
    """NATS does not answer, or JetStream or a stream is not there at the moment."""


class RayUnavailableError(TransientError):
    """The Ray dashboard does not answer, or answers 5xx."""


class RayRefusedError(PermanentError):
    """The Ray dashboard refuses the request (4xx)."""


class ResultError(PermanentError):
    """A task has no result, or not the one that its status tells of; the message names the task and says why."""


class MessageError(PermanentError):
    """A message on the broker does not satisfy the wire's schema, or its signature is wrong."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
