"""Complete lists keep stored objects current, and a namespace that cannot be listed delays no other."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from cognitive_operator.errors import ApiUnavailableError, ForbiddenError, KindAbsentError
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces
from cognitive_operator.reconcile.state.scoped_list import KindLists, KindStore
from support.fakes.kube import FakeResources
from support.fakes.recorder import Recorder

PLURAL = "things"
MOMENT_S = 0.01


def body(namespace: str, name: str) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name, "uid": f"{namespace}/{name}"}}


class Store:
    """Objects by UID, with the lists that keep them current."""

    def __init__(self, *namespaces: str, known: tuple[dict[str, Any], ...] = ()) -> None:
        self.bodies = {each["metadata"]["uid"]: each for each in known}
        self.resources = FakeResources(Recorder(), namespaces=frozenset(namespaces))
        self.namespaces = WatchedNamespaces(namespaces, lambda *_: None)
        store = KindStore(PLURAL, self.bodies.values, self._upsert, self._delete)
        self.lists = KindLists(self.resources, self.namespaces, store)

    def _upsert(self, body: dict[str, Any]) -> None:
        self.bodies[body["metadata"]["uid"]] = body

    def _delete(self, body: dict[str, Any]) -> None:
        del self.bodies[body["metadata"]["uid"]]


async def test_a_list_of_all_namespaces_adds_and_deletes() -> None:
    store = Store(known=(body("a", "gone"), body("b", "kept")))
    store.resources.listed[PLURAL] = [body("a", "new"), body("b", "kept")]
    await store.lists.relist()
    assert sorted(store.bodies) == ["a/new", "b/kept"]


async def test_a_namespace_that_was_listed_loses_its_own_objects_only() -> None:
    store = Store("a", known=(body("a", "gone"), body("b", "kept")))
    await store.lists.relist()
    assert sorted(store.bodies) == ["b/kept"]


@pytest.mark.parametrize("error", [ForbiddenError("403"), KindAbsentError("404")])
async def test_a_refused_namespace_is_lost_keeps_its_objects_and_is_not_asked_again(error: Exception) -> None:
    store = Store("a", "b", known=(body("a", "kept"), body("b", "gone")))
    store.resources.refused["a"] = error
    await store.lists.relist()
    assert sorted(store.bodies) == ["a/kept"]
    assert store.namespaces.lost == {"a"}
    before = len(store.resources.recorder.of("resources.list"))
    await store.lists.relist()
    assert len(store.resources.recorder.of("resources.list")) - before == 1


@pytest.mark.parametrize("error", [ForbiddenError("403"), KindAbsentError("404"), ApiUnavailableError("no answer")])
async def test_a_refused_list_of_all_namespaces_is_an_error_and_deletes_nothing(error: Exception) -> None:
    store = Store(known=(body("a", "kept"),))
    store.resources.refused[""] = error
    with pytest.raises(type(error)):
        await store.lists.relist()
    assert sorted(store.bodies) == ["a/kept"]


async def test_an_unavailable_api_server_loses_no_namespace() -> None:
    store = Store("a", known=(body("a", "kept"),))
    store.resources.refused["a"] = ApiUnavailableError("no answer")
    with pytest.raises(ApiUnavailableError):
        await store.lists.relist()
    assert sorted(store.bodies) == ["a/kept"]
    assert not store.namespaces.lost


async def ends(wait: Awaitable[None]) -> bool:
    """Return True if a wait ends at once."""
    try:
        await asyncio.wait_for(wait, MOMENT_S)
    except TimeoutError:
        return False
    return True


async def test_a_found_namespace_ends_the_wait_until_it_is_listed_and_a_lost_one_does_not() -> None:
    store = Store("a", "b")
    store.namespaces.report_lost("a", "403")
    store.lists.on_namespace("a")
    assert not await ends(store.lists.wait(60))
    store.lists.on_namespace("b")
    assert await ends(store.lists.wait(60))
    await store.lists.relist()
    assert not await ends(store.lists.wait(60))


async def test_a_wait_ends_after_its_delay() -> None:
    await Store().lists.wait(MOMENT_S)
