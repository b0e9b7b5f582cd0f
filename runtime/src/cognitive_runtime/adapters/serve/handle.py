"""Calls of a Serve application through its handle, with the errors of the domain."""

import asyncio
from typing import Any, Final, NoReturn

import ray
from ray import serve
from ray.exceptions import RayActorError, RayTaskError, TaskCancelledError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RayServeException,
    ReplicaUnavailableError,
    RequestCancelledError,
)

from cognitive_runtime.domain import InternalError, RateLimited, ReasoningError
from cognitive_runtime.domain.serving import ServeUnavailable

_ATTEMPTS: Final = 3
"""Replicas that one call tries if they die. An answer that was lost with its replica is asked for again."""


class ServeHandle:
    """Handle of an application. It is opened by the first call."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._handle: Any = None

    async def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Return the result of a method of the replica.

        Raises:
            ReasoningError: That of the replica, or ``InternalError`` if its replicas died.
            ServeUnavailable: There is no such application, or it does not run.
            asyncio.CancelledError: The caller or the call was cancelled.
        """
        for _ in range(_ATTEMPTS):
            try:
                return await self._once(method, *arguments, **named)
            except (RayActorError, ReplicaUnavailableError):
                continue
        raise InternalError(f"The replicas of the Serve application {self._name!r} died during the call.")

    async def _once(self, method: str, *arguments: Any, **named: Any) -> Any:
        handle = await self._open()
        response = getattr(handle, method).remote(*arguments, **named)
        try:
            return await response
        except asyncio.CancelledError:
            response.cancel()
            raise
        except (TaskCancelledError, RequestCancelledError):
            raise asyncio.CancelledError from None
        except (RayActorError, ReplicaUnavailableError):
            raise
        except (RayTaskError, RayServeException) as error:
            self._translate(error)

    async def _open(self) -> Any:
        if self._handle is None:
            self._handle = await asyncio.to_thread(self._find)
        return self._handle

    def _find(self) -> Any:
        if not ray.is_initialized():
            raise ServeUnavailable("this process has not joined Ray: call ray.init first")
        try:
            return serve.get_app_handle(self._name)
        except RayServeException as error:
            raise ServeUnavailable(f"the Serve application {self._name!r} is not available: {error}") from None

    def _translate(self, error: Exception) -> NoReturn:
        cause = error.cause if isinstance(error, RayTaskError) else error
        if isinstance(cause, ReasoningError):
            raise cause from None
        if isinstance(cause, asyncio.CancelledError | TaskCancelledError):
            raise asyncio.CancelledError from None
        if isinstance(cause, BackPressureError):
            raise RateLimited(str(cause), retry_after_s=cause.retry_after_s) from None
        if isinstance(cause, DeploymentUnavailableError):
            raise ServeUnavailable(cause.message) from None
        raise InternalError(f"{type(cause).__name__} in the Serve application {self._name!r}.") from None
