"""A watch of one namespace that ends, or that the API server refuses, ends no other."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest
from kopf._cogs.clients.errors import APIForbiddenError, APINotFoundError
from kopf._cogs.clients.watching import Bookmark

from cognitive_operator.api.names import WATCHED_PLURALS
from cognitive_operator.handlers import namespaces as module
from cognitive_operator.handlers.namespaces import watch_namespaces
from cognitive_operator.handlers.registry import NAMESPACE_BACKOFFS_S, new_settings
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces
from support.eventually import eventually_async


class Streams:
    """Watch streams that bring the events, or raise the error, that a test has put for a namespace and a kind."""

    def __init__(self) -> None:
        self.opened: dict[str, int] = defaultdict(int)
        self.events: dict[str, list[Any]] = defaultdict(list)
        self.errors: dict[str, Exception] = {}

    async def watch(self, *, settings: Any, resource: Any, namespace: str) -> AsyncIterator[Any]:
        place = f"{namespace}/{resource.plural}"
        self.opened[place] += 1
        for event in self.events.pop(place, []):
            yield event
        if place in self.errors:
            raise self.errors[place]
        await asyncio.Event().wait()


class Engine:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def upsert(self, plural: str, body: dict[str, Any]) -> None:
        self.seen.append(("upsert", body["name"]))

    def delete(self, plural: str, body: dict[str, Any]) -> None:
        self.seen.append(("delete", body["name"]))

    def watch_lag_s(self) -> float:
        return 0.0


class Running:
    """The watches of the namespaces ``a`` and ``b``."""

    def __init__(self, streams: Streams) -> None:
        self.streams, self.engine = streams, Engine()
        self.namespaces = WatchedNamespaces(("a", "b"), lambda *_: None)
        watching = watch_namespaces(self.engine, self.namespaces, new_settings(clusterwide=False))
        self.task = asyncio.create_task(watching)

    async def until(self, place: str, count: int) -> None:
        async def opened() -> bool:
            return self.streams.opened[place] >= count

        await eventually_async(opened, interval_s=0.005)

    async def close(self) -> None:
        assert not self.task.done()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Streams:
    found = Streams()
    monkeypatch.setattr(module, "infinite_watch", found.watch)
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    return found


async def test_each_kind_of_each_namespace_is_watched_and_its_events_are_passed_on(streams: Streams) -> None:
    def event(kind: str | None, name: str) -> dict[str, Any]:
        return {"type": kind, "object": {"name": name}}

    streams.events["a/cognitivetasks"] = [
        event(None, "listed"),
        Bookmark.LISTED,
        event("ADDED", "added"),
        event("BOOKMARK", "bookmark"),
        event("DELETED", "deleted"),
    ]
    running = Running(streams)
    await running.until("a/cognitivetasks", 1)
    assert set(streams.opened) == {f"{name}/{plural}" for name in "ab" for plural in WATCHED_PLURALS}
    assert running.engine.seen == [("upsert", "listed"), ("upsert", "added"), ("delete", "deleted")]
    await running.close()


@pytest.mark.parametrize("kind", [APIForbiddenError, APINotFoundError])
async def test_a_refused_watch_loses_its_namespace_and_begins_again_when_that_is_found(
    streams: Streams, kind: type[APIForbiddenError | APINotFoundError], caplog: pytest.LogCaptureFixture
) -> None:
    payload: Any = {"message": "cognitivetasks is forbidden in the namespace a", "code": 403}
    streams.errors["a/cognitivetasks"] = kind(payload, status=403, headers={})
    running = Running(streams)
    await running.until("a/cognitivetasks", 1)
    assert running.namespaces.lost == {"a"}
    (line,) = [each for each in caplog.records if each.message.startswith("namespace lost")]
    assert vars(line)["cause"] == "watch of cognitivetasks: cognitivetasks is forbidden in the namespace a"
    streams.errors.clear()

    async def answer(*_: object) -> None:
        """Refuse nothing."""

    await running.namespaces.check("a", answer)
    await running.until("a/cognitivetasks", 2)
    assert streams.opened["b/cognitivetasks"] == 1
    await running.close()


async def test_another_error_begins_the_watch_again_and_loses_nothing(
    streams: Streams, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    streams.errors["a/cognitiveagents"] = RuntimeError("Error in the watch-stream")
    running = Running(streams)
    await running.until("a/cognitiveagents", 3)
    assert running.namespaces.lost == frozenset()
    (first, *_) = caplog.records
    assert (first.message, vars(first)["namespace"], vars(first)["kind"]) == (
        "restarting a watch",
        "a",
        "cognitiveagents",
    )
    await running.close()


def test_a_refusal_is_not_repeated_for_a_minute() -> None:
    """Kopf repeats a refused request, too, before the namespace counts as lost."""
    assert new_settings(clusterwide=False).networking.error_backoffs == NAMESPACE_BACKOFFS_S
    assert sum(NAMESPACE_BACKOFFS_S) == 3
