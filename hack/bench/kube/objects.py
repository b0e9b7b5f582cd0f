"""Creates objects over the Kubernetes API, watches them until they end, and deletes them."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp

from bench.kube.api_server import ApiServer
from bench.kube.kinds import LABEL, Kind, Manifest

DELETE_TIMEOUT_S = 300.0
POLL_S = 0.25
WATCH_PAUSE_S = 0.02
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


@dataclass
class Timeline:
    """Times at which objects were created and seen to end, in monotonic seconds."""

    created: dict[str, float] = field(default_factory=dict)
    finished: dict[str, float] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, Manifest] = field(default_factory=dict)

    def latencies_ms(self, names: Sequence[str]) -> list[float]:
        """Return the time of each finished object from its create response to its end."""
        return [(self.finished[name] - self.created[name]) * 1000 for name in names if name in self.finished]


class ObjectClient:
    """Creates and watches the objects of one kind."""

    def __init__(self, session: aiohttp.ClientSession, kind: Kind) -> None:
        self._session = session
        self._kind = kind
        self.timeline = Timeline()
        self._changed = asyncio.Event()

    async def create(self, name: str, owner: str) -> None:
        """Create an object.

        Raises:
            RuntimeError: The API server refused it.
        """
        async with self._session.post(self._kind.path, json=self._kind.manifest(name, owner)) as answer:
            await _check(answer, f"create {name}")
            self.timeline.created[name] = time.monotonic()

    async def write_status(self, name: str, status: Manifest) -> None:
        """Replace fields of an object's status by a merge patch.

        Raises:
            RuntimeError: The API server refused it.
        """
        url, body = f"{self._kind.path}/{name}/status", json.dumps({"status": status})
        async with self._session.patch(url, data=body, headers=MERGE_PATCH) as answer:
            await _check(answer, f"write the status of {name}")

    async def wait(self, names: Sequence[str], timeout_s: float) -> list[str]:
        """Wait until objects have ended; return those that have not after ``timeout_s``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._open(names):
                    self._changed.clear()
                    await self._changed.wait()
        return self._open(names)

    async def delete_all(self) -> None:
        """Delete all objects with the benchmark's label and wait until they are gone.

        Raises:
            TimeoutError: Objects are left after DELETE_TIMEOUT_S.
        """
        selector = {"labelSelector": LABEL}
        async with self._session.delete(self._kind.path, params=selector) as answer:
            await _check(answer, "delete the benchmark's objects")
        for _ in range(int(DELETE_TIMEOUT_S / POLL_S)):
            if not await self._has_objects(selector):
                return
            await asyncio.sleep(POLL_S)
        raise TimeoutError(f"objects are left at {self._kind.path} after {DELETE_TIMEOUT_S:g} s")

    async def count(self) -> int:
        """Return the number of objects with the benchmark's label."""
        async with self._session.get(self._kind.path, params={"labelSelector": LABEL}) as answer:
            await _check(answer, "list")
            return len((await answer.json())["items"])

    async def phases(self, prefix: str) -> Counter[str]:
        """Return the number of the objects with a prefix of their name, by ``status.phase``; empty: no status yet."""
        async with self._session.get(self._kind.path) as answer:
            await _check(answer, "list")
            items = (await answer.json())["items"]
        named = [item for item in items if item["metadata"]["name"].startswith(prefix)]
        return Counter((item.get("status") or {}).get("phase", "") for item in named)

    async def watch(self) -> None:
        """Watch all objects until cancelled.

        The API server may end a watch at any time, and refuses one while it fills the watch cache of a new resource. In
        both cases the next one is opened.
        """
        while True:
            async with self._session.get(self._kind.path, params={"watch": "true"}) as answer:
                if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
                    await _check(answer, "watch")
                    async for line in answer.content:
                        self._see(json.loads(line)["object"])
            await asyncio.sleep(WATCH_PAUSE_S)

    async def _has_objects(self, selector: dict[str, str]) -> bool:
        async with self._session.get(self._kind.path, params={**selector, "limit": "1"}) as answer:
            await _check(answer, "list")
            return bool((await answer.json())["items"])

    def _see(self, found: Manifest) -> None:
        name = found["metadata"].get("name", "")  # an error in the watch has no name
        outcome = self._kind.outcome(found)
        if outcome is not None and name not in self.timeline.finished:
            self.timeline.finished[name] = time.monotonic()
            self.timeline.outcomes[name] = outcome
            self.timeline.statuses[name] = found["status"]
            self._changed.set()

    def _open(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name not in self.timeline.finished]


@asynccontextmanager
async def watching(api: ApiServer, kind: Kind) -> AsyncIterator[ObjectClient]:
    """Yield a connected client that watches all objects of a kind until the block ends, then deletes them."""
    async with api.session() as session:
        client = ObjectClient(session, kind)
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(client.watch())
            try:
                yield client
            finally:
                watch.cancel()
                await client.delete_all()


async def _check(answer: aiohttp.ClientResponse, action: str) -> None:
    if answer.status >= 300:
        raise RuntimeError(f"cannot {action} at {answer.url.path}: {answer.status} {await answer.text()}")
