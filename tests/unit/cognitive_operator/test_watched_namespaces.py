"""Each watched namespace is lost and found by itself."""

import asyncio
import logging

import pytest

from cognitive_operator.errors import ApiUnavailableError, CognitiveOperatorError, ForbiddenError, KindAbsentError
from cognitive_operator.reconcile.state.namespaces import CHECK_EVERY_S, CHECK_LOST_EVERY_S, WatchedNamespaces


class Api:
    """Answers checks with the error of their namespace."""

    def __init__(self, **errors: CognitiveOperatorError) -> None:
        self.errors = errors
        self.asked: list[tuple[str, bool]] = []
        self.changes: list[tuple[str, str | None]] = []

    async def check(self, name: str, with_watch: bool) -> None:
        self.asked.append((name, with_watch))
        if name in self.errors:
            raise self.errors[name]

    def on_change(self, name: str, cause: str | None) -> None:
        self.changes.append((name, cause))


@pytest.mark.parametrize("error", [ForbiddenError("403 cannot list"), KindAbsentError("404 not found")])
async def test_a_refused_namespace_is_lost_once_and_found_by_the_first_answer(
    error: CognitiveOperatorError, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    api = Api(a=error)
    namespaces, told = WatchedNamespaces(("a", "b"), api.on_change), list[str]()
    end = namespaces.subscribe(told.append)
    for _ in range(2):
        await namespaces.check("a", api.check)
    assert namespaces.lost == {"a"}
    api.errors.clear()
    await namespaces.check("a", api.check)
    assert namespaces.lost == frozenset()
    assert api.changes == [("a", None), ("b", None), ("a", str(error)), ("a", None)]
    assert told == ["a", "a"]
    assert api.asked == [("a", False), ("a", True), ("a", True)], "a lost namespace must be watchable again, too"
    assert [(each.message.partition(":")[0], vars(each)["namespace"]) for each in caplog.records] == [
        ("namespace lost", "a"),
        ("namespace found again", "a"),
    ]
    end()
    namespaces.report_lost("b", "403")
    assert told == ["a", "a"]


async def test_an_api_server_that_does_not_answer_loses_no_namespace() -> None:
    api = Api(a=ApiUnavailableError("no answer"))
    namespaces = WatchedNamespaces(("a",), api.on_change)
    await namespaces.check("a", api.check)
    assert namespaces.lost == frozenset()


async def test_a_watch_waits_until_its_namespace_is_found() -> None:
    api = Api()
    namespaces = WatchedNamespaces(("a",), api.on_change)
    await namespaces.wait_available("a")
    namespaces.report_lost("a", "403")
    waiting = asyncio.create_task(namespaces.wait_available("a"))
    await asyncio.sleep(0)
    assert not waiting.done()
    await namespaces.check("a", api.check)
    await asyncio.wait_for(waiting, 1.0)


async def test_a_lost_namespace_is_tried_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The documented times: 30 s until a loss is found, 10 s until returned rights are."""
    namespaces, slept = WatchedNamespaces(("a",), lambda *_: None), list[float]()

    async def sleep(delay_s: float) -> None:
        slept.append(delay_s)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await namespaces._sleep("a")
    assert sum(slept) == CHECK_EVERY_S == 30.0
    namespaces.report_lost("a", "403")
    slept.clear()
    await namespaces._sleep("a")
    assert sum(slept) == CHECK_LOST_EVERY_S == 10.0


def test_all_namespaces_at_once_are_never_lost() -> None:
    namespaces = WatchedNamespaces((), lambda *_: None)
    assert (namespaces.lost, namespaces.is_lost("")) == (frozenset(), False)
