"""Refusal of a call before a model is asked, or of the way to its result."""

from typing import Any


class CallRefused(Exception):
    """A cluster refuses a call, or cannot tell its result.

    Attributes:
        error_type: Name of the cause, such as Forbidden. It decides the status code of the HTTP API.
        retryable: True if the same call may succeed later.
        retry_after_s: Seconds to wait before, or None.
        task: Name and namespace of the task that was created for the call; empty if there is none.
    """

    def __init__(
        self, error_type: str, message: str, *, retryable: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.task: dict[str, Any] = {}

    def result(self) -> dict[str, Any]:
        """Return the refusal as a failed result."""
        waiting = {} if self.retry_after_s is None else {"retry_after_seconds": self.retry_after_s}
        failure = {"error": str(self), "error_type": self.error_type, "retryable": self.retryable}
        return {**self.task, "success": False, **failure, **waiting, "energy_cost": 0.0}
