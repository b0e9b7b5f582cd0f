"""Runs HTTP calls as CognitiveTasks: creates the task, watches it until its end, cancels it."""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from cognitive_runtime.adapters.asyncio_tasks import cancel
from cognitive_runtime.adapters.kube.client import MERGE_PATCH, Body, Caller, KubeClient, Request
from cognitive_runtime.adapters.kube.manifests import agent_path, task_manifest, tasks_path
from cognitive_runtime.adapters.kube.outcomes import lacks_agent, not_finished, refused, result_of, with_task
from cognitive_runtime.adapters.kube.task_watch import TaskWatch
from cognitive_runtime.domain import CognitiveContext
from cognitive_runtime.domain.call_refused import CallRefused
from cognitive_runtime.domain.object_name import is_object_name

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class CallSettings:
    """Settings of the calls of one server."""

    namespace: str
    agent: str | None = None
    """CognitiveAgent of all calls; None: ``agent_id`` of the call names it."""
    timeout_s: float = 300.0
    """Time limit of a call. The task goes on after it."""
    ttl_s: int = 3600
    """Seconds after its end at which a task is deleted."""
    cancels: bool = True
    """A client that goes away cancels its task."""

    def agent_for(self, agent_id: str) -> str:
        """Return the name of the agent that a call is for.

        Raises:
            CallRefused: The call's ``agent_id`` can be no name of an agent.
        """
        found = self.agent or agent_id
        if not is_object_name(found):
            raise CallRefused(
                "AgentNotFound", "agent_id must be the name of a CognitiveAgent: lower-case letters, digits, - and ."
            )
        return found


class TaskCalls:
    """Runs calls of any number of callers. Belongs to one event loop."""

    def __init__(self, client: KubeClient, settings: CallSettings) -> None:
        self._client = client
        self._settings = settings
        self._running: set[asyncio.Task[Any]] = set()
        self._leaving: set[asyncio.Task[None]] = set()

    def of(self, caller: Caller) -> "CallerAnswers":
        """Return the answers for one caller."""
        return CallerAnswers(self, caller)

    async def run(self, caller: Caller, context: CognitiveContext) -> dict[str, Any]:
        """Return the result of a call.

        Raises:
            CallRefused: The cluster refuses the call, or the task does not end in time.
            asyncio.CancelledError: The caller was cancelled, and so is the task unless the settings keep it.
        """
        with self._registered():
            return await self._run(caller, context)

    async def close(self) -> None:
        """End the running calls as if their clients went away, and wait until their tasks are cancelled."""
        await cancel(*self._running)
        await asyncio.gather(*self._leaving)

    async def _run(self, caller: Caller, context: CognitiveContext) -> dict[str, Any]:
        agent = self._settings.agent_for(context.agent_id)
        knows_agent = await self._find_agent(caller, agent)
        creating = asyncio.create_task(self._create(caller, context, agent))
        try:
            task = await asyncio.shield(creating)
            task = await self._ended(TaskWatch(self._client, caller, task, knows_agent=knows_agent))
        except asyncio.CancelledError:
            self._leave(self._abandoned(caller, creating))
            raise
        if lacks_agent(task):
            self._leave(self._cancel(caller, task))
            raise with_task(_agent_not_found(self._settings.namespace, agent), task)
        return result_of(context, task)

    @contextmanager
    def _registered(self) -> Iterator[None]:
        call = asyncio.current_task()
        assert call is not None, "a call runs in a task"
        self._running.add(call)
        try:
            yield
        finally:
            self._running.discard(call)

    async def _find_agent(self, caller: Caller, agent: str) -> bool:
        """Return True for an agent that exists, False if the caller may not read agents: it may create tasks."""
        try:
            await self._client.request(caller, Request("GET", agent_path(self._settings.namespace, agent)))
        except CallRefused as error:
            if error.error_type == "NotFound":
                raise _agent_not_found(self._settings.namespace, agent) from None
            if error.error_type != "Forbidden":
                raise
            return False
        return True

    async def _create(self, caller: Caller, context: CognitiveContext, agent: str) -> Body:
        body = task_manifest(context, agent, self._settings.ttl_s)
        path = tasks_path(self._settings.namespace)
        return await self._client.request(caller, Request("POST", path, {"fieldValidation": "Strict"}, body))

    async def _ended(self, watch: TaskWatch) -> Body:
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await watch.ended()
        except TimeoutError:
            raise not_finished(watch.task, self._settings.timeout_s) from None

    def _leave(self, work: Coroutine[Any, Any, None]) -> None:
        leaving = asyncio.create_task(work)
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def _abandoned(self, caller: Caller, creating: asyncio.Task[Body]) -> None:
        try:
            task = await creating
        except CallRefused:
            return  # there is no task
        if self._settings.cancels:
            await self._cancel(caller, task)

    async def _cancel(self, caller: Caller, task: Body) -> None:
        path = tasks_path(self._settings.namespace, task["metadata"]["name"])
        body = {"spec": {"cancel": True}}
        try:
            await self._client.request(caller, Request("PATCH", path, body=body, content_type=MERGE_PATCH))
        except CallRefused as error:
            names = {"namespace": self._settings.namespace, "task": task["metadata"]["name"]}
            _LOGGER.warning("a task without a client could not be cancelled: %s", error.error_type, extra=names)


@dataclass(frozen=True)
class CallerAnswers:
    """Implements ``IAnswerer`` for one caller."""

    calls: TaskCalls
    caller: Caller

    async def answer(self, context: CognitiveContext, *, stream: bool = False) -> dict[str, Any]:
        """Return the outputs or the error. A cluster has no pieces to stream."""
        del stream
        try:
            return await self.calls.run(self.caller, context)
        except CallRefused as error:
            return refused(context, error)


def _agent_not_found(namespace: str, agent: str) -> CallRefused:
    return CallRefused("AgentNotFound", f"CognitiveAgent {namespace}/{agent} does not exist")
