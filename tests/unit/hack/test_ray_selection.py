from dataclasses import dataclass, field
from typing import Any

import pytest

from support.ray_selection import select


@dataclass
class Item:
    """A collected test."""

    nodeid: str
    fixturenames: list[str] = field(default_factory=list)
    markers: tuple[str, ...] = ()

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.markers else None


@dataclass
class Config:
    """A run with ``--ray``; its own hook, too."""

    ray: str
    deselected: list[str] = field(default_factory=list)

    @property
    def hook(self) -> "Config":
        return self

    def getoption(self, _: str) -> str:
        return self.ray

    def pytest_deselected(self, items: list[Item]) -> None:
        self.deselected += [item.nodeid for item in items]


ITEMS = [
    Item("pure"),
    Item("executor", ["ray_server"]),
    Item("ray", ["ray_head"], ("ray",)),
    Item("extended", ["ray_head"], ("ray_extended",)),
]


@pytest.mark.parametrize(
    ("ray", "left"), [("double", ["pure", "executor", "ray"]), ("real", ["executor", "ray", "extended"])]
)
def test_a_run_has_the_tests_of_its_ray(ray: str, left: list[str]) -> None:
    items: list[Any] = list(ITEMS)
    config: Any = Config(ray)
    select(config, items)
    assert [item.nodeid for item in items] == left
    assert sorted(config.deselected) == sorted({item.nodeid for item in ITEMS} - set(left))


@pytest.mark.parametrize("markers", [(), ("component",)])
def test_a_real_head_without_a_marker_is_refused(markers: tuple[str, ...]) -> None:
    config: Any = Config("double")
    items: list[Any] = [Item("tests/test_x.py::test_x", ["ray_head"], markers)]
    with pytest.raises(pytest.UsageError, match=r"tests/test_x\.py::test_x uses ray_head"):
        select(config, items)


@pytest.mark.parametrize("marker", ["faults", "e2e"])
def test_runs_of_their_own_have_their_real_head(marker: str) -> None:
    config: Any = Config("double")
    items: list[Any] = [Item("x", ["ray_head"], (marker,))]
    select(config, items)
    assert len(items) == 1
