"""Watch of one task until it ends."""

import asyncio
from contextlib import aclosing
from typing import Final

from cognitive_runtime.adapters.kube.client import Body, Caller, KubeClient, Request
from cognitive_runtime.adapters.kube.manifests import tasks_path
from cognitive_runtime.adapters.kube.outcomes import has_ended, lacks_agent, with_task
from cognitive_runtime.domain.call_refused import CallRefused

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
"""Pauses after a lost watch double from the first to the longest."""


class TaskWatch:
    """Follows one task from a known version. After a lost watch it reads the task once, and watches again."""

    def __init__(self, client: KubeClient, caller: Caller, task: Body, *, knows_agent: bool) -> None:
        """Take a task. ``knows_agent``: the caller has seen the agent, for which the task may wait."""
        self._knows_agent = knows_agent
        self._client = client
        self._caller = caller
        self.task = task
        """Last known version."""
        self._pause_s = FIRST_PAUSE_S
        self._namespace, self._name = task["metadata"]["namespace"], task["metadata"]["name"]

    async def ended(self) -> Body:
        """Return the task when it has ended, or waits for an agent that does not exist.

        Raises:
            CallRefused: The caller may not watch the task, or the task was deleted.
        """
        try:
            while not self._is_over():
                await self._watch_once()
        except CallRefused as error:
            raise with_task(error, self.task) from None
        return self.task

    async def _watch_once(self) -> None:
        try:
            await self._follow()
        except CallRefused as error:
            if not error.retryable:
                raise
        if not self._is_over():
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            await self._read()

    async def _follow(self) -> None:
        query = {
            "fieldSelector": f"metadata.name={self._name}",
            "resourceVersion": self.task["metadata"]["resourceVersion"],
        }
        path = tasks_path(self._namespace)
        async with aclosing(self._client.watch(self._caller, path, query)) as events:
            async for event in events:
                if event["type"] == "ERROR":
                    return  # the version has expired
                self._apply_event(event)
                if self._is_over():
                    return

    def _apply_event(self, event: Body) -> None:
        self._pause_s = FIRST_PAUSE_S
        if event["type"] == "BOOKMARK":
            version = event["object"]["metadata"]["resourceVersion"]
            self.task["metadata"]["resourceVersion"] = version
            return
        self.task = event["object"]
        if event["type"] == "DELETED" and not has_ended(self.task):
            raise self._deleted()

    async def _read(self) -> None:
        try:
            request = Request("GET", tasks_path(self._namespace, self._name))
            self.task = await self._client.request(self._caller, request)
        except CallRefused as error:
            if error.error_type == "NotFound":
                raise self._deleted() from None
            if not error.retryable:
                raise

    def _is_over(self) -> bool:
        return has_ended(self.task) or (lacks_agent(self.task) and not self._knows_agent)

    def _deleted(self) -> CallRefused:
        message = f"CognitiveTask {self._namespace}/{self._name} was deleted before it ended"
        return CallRefused("TaskDeleted", message)
