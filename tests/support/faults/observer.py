"""Sees every state of every agent and task, in a watch of its own beside all proxies."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Self

import aiohttp

from controlplane import ControlPlane
from support.eventually import eventually
from support.faults.admin import GROUP, LINE_BYTES
from support.faults.evidence import Body, Sighting
from support.faults.invariants import AGENT, TASK
from support.faults.loop import LoopThread

PLURALS = {AGENT: "cognitiveagents", TASK: "cognitivetasks"}
PAUSE_S = 0.5


class Observer:
    """Keeps all sightings since the last ``forget``, and the last one of each object."""

    def __init__(self, plane: ControlPlane, loop: LoopThread) -> None:
        self._url = plane.url + GROUP
        self._tls = plane.tls_context()
        self._loop = loop
        self._lock = threading.Lock()
        self._sightings: list[Sighting] = []
        self._last: dict[str, Sighting] = {}
        self._gone: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    def __enter__(self) -> Self:
        self._loop.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run(self._stop())

    @property
    def sightings(self) -> list[Sighting]:
        """All that was seen, in its order; of each object that was there before, first how it was."""
        with self._lock:
            return list(self._sightings)

    def forget(self) -> None:
        """Begin anew with the objects that exist."""
        with self._lock:
            self._gone |= {uid for uid, seen in self._last.items() if seen.is_deleted}
            self._last = {uid: seen for uid, seen in self._last.items() if not seen.is_deleted}
            self._sightings = list(self._last.values())

    def present(self, kind: str, namespace: str | None = None) -> dict[str, Sighting]:
        """Return the objects that exist, by name."""
        with self._lock:
            found = [seen for seen in self._last.values() if seen.kind == kind and not seen.is_deleted]
        names = ((seen.body["metadata"], seen) for seen in found)
        return {meta["name"]: seen for meta, seen in names if namespace in (None, meta["namespace"])}

    def tasks(self, namespace: str | None = None) -> dict[str, Sighting]:
        """Return the tasks that exist, by name."""
        return self.present(TASK, namespace)

    def has_seen(self, uids: set[str]) -> bool:
        """Tell whether each of these was seen, though it may be gone again."""
        with self._lock:
            return uids <= self._last.keys() | self._gone

    def wait(self, what: Callable[[dict[str, Sighting]], object], timeout_s: float, namespace: str) -> None:
        """Wait until something is true of the tasks of a namespace."""

        def reached() -> bool:
            found = self.tasks(namespace)
            shown = {name: (seen.phase, seen.status.get("reason")) for name, seen in found.items()}
            assert what(found), f"not reached: {dict(list(shown.items())[:20])}"
            return True

        eventually(reached, timeout_s, 0.05)

    async def _start(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self._tls)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=LINE_BYTES)
        self._tasks = [asyncio.create_task(self._follow(kind)) for kind in PLURALS]

    async def _stop(self) -> None:
        assert self._session is not None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def _follow(self, kind: str) -> None:
        while True:
            try:
                version = await self._list(kind)
                while version:
                    version = await self._watch(kind, version)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                pass  # the API server is away, on purpose
            await asyncio.sleep(PAUSE_S)

    async def _list(self, kind: str) -> str:
        """Take in all objects as they are, and those that are gone; return the version to watch from."""
        assert self._session is not None
        async with self._session.get(f"{self._url}/{PLURALS[kind]}", raise_for_status=True) as answer:
            listed = await answer.json()
        present = {item["metadata"]["uid"] for item in listed["items"]}
        for item in listed["items"]:
            self._see(Sighting(kind, item, at_s=time.monotonic()))
        with self._lock:
            known = [s for s in self._last.values() if s.kind == kind and not s.is_deleted]
        for seen in known:
            if seen.uid not in present:
                self._see(Sighting(kind, seen.body, is_deleted=True, at_s=time.monotonic()))
        return str(listed["metadata"]["resourceVersion"])

    async def _watch(self, kind: str, version: str) -> str:
        """Follow until the API server ends the watch; return the version to go on from, empty to list again."""
        assert self._session is not None
        query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
        async with self._session.get(f"{self._url}/{PLURALS[kind]}", params=query, raise_for_status=True) as answer:
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return ""
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._see(Sighting(kind, event["object"], event["type"] == "DELETED", time.monotonic()))
        return version

    def _see(self, sighting: Sighting) -> None:
        _strip(sighting.body)
        with self._lock:
            before = self._last.get(sighting.uid)
            if (before is not None and before.is_deleted) or sighting.uid in self._gone:
                return
            if before is not None and _version(before) >= _version(sighting) and not sighting.is_deleted:
                return
            self._last[sighting.uid] = sighting
            self._sightings.append(sighting)


def _version(sighting: Sighting) -> int:
    return int(sighting.body["metadata"]["resourceVersion"])


def _strip(body: Body) -> None:
    body["metadata"].pop("managedFields", None)
