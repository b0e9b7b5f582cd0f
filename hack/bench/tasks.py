"""Creates tasks over the Kubernetes API and watches them until they finish."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from controlplane import ControlPlane

TASKS = "/apis/cognitive.seedcore.io/v1alpha1/namespaces/default/cognitivetasks"
FINISHED = ("Succeeded", "Failed")
LINE_BYTES = 1 << 22


@dataclass
class Timeline:
    """Times at which tasks were created and seen to finish, in monotonic seconds."""

    created: dict[str, float] = field(default_factory=dict)
    finished: dict[str, float] = field(default_factory=dict)
    statuses: dict[str, dict[str, Any]] = field(default_factory=dict)

    def latencies_ms(self, names: Sequence[str]) -> list[float]:
        """Return the time of each finished task from its create response to its end."""
        return [(self.finished[name] - self.created[name]) * 1000 for name in names if name in self.finished]


class TaskClient:
    """Creates and watches tasks."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url + TASKS
        self.timeline = Timeline()
        self._changed = asyncio.Event()

    async def create(self, name: str, agent: str) -> None:
        """Create a FailureAnalysis task."""
        spec = {
            "agentRef": {"name": agent},
            "type": "FailureAnalysis",
            "input": {"incident_id": name, "error_message": "connection refused by 10.0.0.7:5432"},
        }
        body = {
            "apiVersion": "cognitive.seedcore.io/v1alpha1",
            "kind": "CognitiveTask",
            "metadata": {"name": name},
            "spec": spec,
        }
        async with self._session.post(self._url, json=body) as answer:
            if answer.status != 201:
                raise RuntimeError(f"cannot create task {name}: {answer.status} {await answer.text()}")
            self.timeline.created[name] = time.monotonic()

    async def wait(self, names: Sequence[str], timeout_s: float) -> list[str]:
        """Wait until tasks have finished; return those that have not after ``timeout_s``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._open(names):
                    self._changed.clear()
                    await self._changed.wait()
        return self._open(names)

    async def watch(self) -> None:
        """Watch all tasks until cancelled. The API server may end a watch at any time; then a new one is opened."""
        while True:
            async with self._session.get(self._url, params={"watch": "true"}) as answer:
                async for line in answer.content:
                    self._see(json.loads(line)["object"])

    def _see(self, task: dict[str, Any]) -> None:
        name, status = task["metadata"]["name"], task.get("status") or {}
        if status.get("phase") in FINISHED and name not in self.timeline.finished:
            self.timeline.finished[name] = time.monotonic()
            self.timeline.statuses[name] = status
            self._changed.set()

    def _open(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name not in self.timeline.finished]


@asynccontextmanager
async def task_client(plane: ControlPlane) -> AsyncIterator[TaskClient]:
    """Yield a connected client that watches all tasks until the block ends."""
    connector = aiohttp.TCPConnector(ssl=plane.tls_context(), limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=LINE_BYTES) as session:
        client = TaskClient(session, plane.url)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(client.watch())
            yield client
            watching.cancel()
