"""A deferred package is found when it is imported, and its code runs when one of its names is used."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cognitive_runtime.adapters.deferred_imports import DeferredPackages, is_deferred

CODE = """
RUNS = []
RUNS.append(__name__)
from .part import VALUE
def function():
    return VALUE
"""
MakePackage = Callable[[str], None]


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePackage]:
    """Write a package with one submodule; it is forgotten after the test."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text(CODE)
        (folder / "part.py").write_text("VALUE = 7\n")
        importlib.invalidate_caches()

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def hook() -> Iterator[DeferredPackages]:
    """An installed hook for the packages of these tests."""
    found = DeferredPackages({"lazy_a"}, {"absent_a", "absent_a.part"})
    found.install()
    yield found
    found.remove()


@pytest.mark.usefixtures("hook")
def test_a_deferred_package_runs_with_the_first_use_of_a_name_and_once(make_package: MakePackage) -> None:
    make_package("lazy_a")
    package = importlib.import_module("lazy_a")
    assert (is_deferred("lazy_a"), "lazy_a.part" in sys.modules) == (True, False)
    assert package.function() == 7
    assert (is_deferred("lazy_a"), package.RUNS, type(package).__name__) == (False, ["lazy_a"], "module")
    assert importlib.reload(package).RUNS == ["lazy_a"]


@pytest.mark.usefixtures("hook")
def test_a_submodule_is_imported_without_its_package(make_package: MakePackage) -> None:
    make_package("lazy_a")
    from lazy_a.part import VALUE  # type: ignore[import-not-found]

    assert (VALUE, is_deferred("lazy_a")) == (7, True)


@pytest.mark.usefixtures("hook")
def test_an_import_from_a_deferred_package_runs_it(make_package: MakePackage) -> None:
    make_package("lazy_a")
    from lazy_a import function  # type: ignore[import-not-found]

    assert (function(), is_deferred("lazy_a")) == (7, False)


@pytest.mark.usefixtures("hook")
def test_tools_that_look_at_all_modules_run_nothing(make_package: MakePackage) -> None:
    make_package("lazy_a")
    package = importlib.import_module("lazy_a")
    assert not hasattr(package, "__wrapped__")  # as doctest, inspect and mock ask
    assert is_deferred("lazy_a")


@pytest.mark.usefixtures("hook")
def test_a_name_that_the_package_does_not_define_is_refused_as_usual(make_package: MakePackage) -> None:
    make_package("lazy_a")
    with pytest.raises(AttributeError, match="'lazy_a' has no attribute 'missing'"):
        _ = importlib.import_module("lazy_a").missing
    assert not is_deferred("lazy_a")


def test_a_package_stays_deferred_and_others_are_not_once_the_hook_is_removed(
    make_package: MakePackage, hook: DeferredPackages
) -> None:
    make_package("lazy_a")
    make_package("absent_a")
    package = importlib.import_module("lazy_a")
    with pytest.raises(ModuleNotFoundError, match="No module named 'absent_a'"):
        importlib.import_module("absent_a")
    hook.remove()
    hook.remove()
    assert importlib.import_module("absent_a").function() == 7
    assert is_deferred("lazy_a")
    assert package.function() == 7


@pytest.mark.usefixtures("hook")
def test_another_package_is_imported_as_usual(make_package: MakePackage) -> None:
    make_package("eager_a")
    importlib.import_module("eager_a")
    assert (is_deferred("eager_a"), "eager_a.part" in sys.modules) == (False, True)
