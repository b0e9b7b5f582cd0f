from typing import Any

import kopf
import pytest

from cognitive_operator import bootstrap
from cognitive_operator.adapters.kube.api import KubeApi
from cognitive_operator.config import ConfigError, config_from
from cognitive_operator.handlers.registry import new_settings
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces
from cognitive_operator.reconcile.state.watch import WatchEvents


class Client:
    """Answers lists with one object of the path, and keeps the paths."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def request(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        self.paths.append(path.partition("?")[0])
        return {"items": [{"path": path}], "metadata": {}}


async def listed(namespaces: tuple[str, ...]) -> list[str]:
    client: Any = Client()
    resources = KubeApi(client, namespaces).resources
    for scope in resources.scopes:
        assert len([item async for item in resources.list("cognitivetasks", scope)]) == 1
    paths: list[str] = client.paths
    return paths


def test_all_namespaces_are_watched_unless_some_are_named() -> None:
    assert config_from({}).watch_namespaces == ()
    assert config_from({"COGNITIVE_WATCH_NAMESPACES": " "}).watch_namespaces == ()
    assert config_from({"COGNITIVE_WATCH_NAMESPACES": "team-b, team-a,team-b"}).watch_namespaces == ("team-a", "team-b")


@pytest.mark.parametrize("text", ["Team", "a_b", "team-*", "-a", "a" * 64])
def test_what_no_namespace_is_called_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"COGNITIVE_WATCH_NAMESPACES: .* is not a valid namespace name"):
        config_from({"COGNITIVE_WATCH_NAMESPACES": text})


async def test_the_sweep_lists_no_more_than_is_watched() -> None:
    group = "/apis/cognitive.seedcore.io/v1alpha1"
    assert await listed(()) == [f"{group}/cognitivetasks"]
    assert await listed(("a", "b")) == [f"{group}/namespaces/{name}/cognitivetasks" for name in ("a", "b")]


def test_who_watches_some_namespaces_asks_for_nothing_of_the_whole_cluster() -> None:
    assert not new_settings().scanning.disabled
    assert new_settings(clusterwide=False).scanning.disabled


@pytest.mark.parametrize(("namespaces", "clusterwide"), [((), True), (("a", "b"), False)])
async def test_kopf_is_told(namespaces: tuple[str, ...], clusterwide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}

    async def operator(**kwargs: Any) -> None:
        told.update(kwargs)

    monkeypatch.setattr(kopf, "operator", operator)
    events: Any = WatchEvents.__new__(WatchEvents)
    watched = WatchedNamespaces(namespaces, lambda *_: None)
    await bootstrap._watch(watched, 0, events, "me", lambda: None)
    if told["_command"] is not None:
        told["_command"].close()
    assert (told["_command"] is None) is clusterwide
    assert bool(told["registry"]._watching.get_all_handlers()) is clusterwide
    assert (told["namespaces"], told["clusterwide"]) == (namespaces, clusterwide)
    assert told["settings"].scanning.disabled is not clusterwide
    assert told["settings"].peering.standalone, "Kopf elects no leader: it would judge by wall clocks"
