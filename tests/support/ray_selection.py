"""The option ``--ray`` and the tests that it selects.

Three kinds of tests start executors:

- those with the fixture ``ray_server`` run on the double, and with ``--ray=real`` on a real head;
- those marked ``ray`` prove Ray itself and run on a real head always;
- those marked ``ray_extended`` do so with ``--ray=real`` only.

With ``--ray=real`` no other tests run.
"""

from typing import Final

import pytest

SERVER: Final = "ray_server"
REAL_HEAD: Final = "ray_head"
ALWAYS_REAL: Final = "ray"
ONLY_REAL: Final = "ray_extended"
OTHER_RUNS: Final = ("faults", "e2e")
"""Markers of the tests that have a real Ray and a target of their own."""


def add_option(parser: pytest.Parser) -> None:
    """Add ``--ray=double|real``."""
    parser.addoption(
        "--ray",
        choices=["double", "real"],
        default="double",
        help="double: executors run on a double of Ray's Jobs API; real: only tests of executors run, on a real Ray",
    )


def runs_on_real_ray(config: pytest.Config) -> bool:
    """Tell whether ``ray_server`` is a real head."""
    return bool(config.getoption("--ray") == "real")


def needs_real_ray(item: pytest.Item) -> bool:
    """Tell whether a test is marked for a real head."""
    return _has(item, ALWAYS_REAL, ONLY_REAL)


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that do not belong to this run.

    Raises:
        pytest.UsageError: A test uses the real head and has neither marker.
    """
    for item in items:
        _check(item)
    is_real = runs_on_real_ray(config)
    left_out = [item for item in items if not _belongs(item, is_real=is_real)]
    if left_out:
        items[:] = [item for item in items if _belongs(item, is_real=is_real)]
        config.hook.pytest_deselected(items=left_out)


def _check(item: pytest.Item) -> None:
    if REAL_HEAD in _fixtures(item) and not (needs_real_ray(item) or _has(item, *OTHER_RUNS)):
        raise pytest.UsageError(
            f"{item.nodeid} uses {REAL_HEAD}: use {SERVER}, or mark the test with {ALWAYS_REAL} or {ONLY_REAL}"
        )


def _belongs(item: pytest.Item, *, is_real: bool) -> bool:
    if is_real:
        return needs_real_ray(item) or SERVER in _fixtures(item)
    return not _has(item, ONLY_REAL)


def _has(item: pytest.Item, *markers: str) -> bool:
    return any(item.get_closest_marker(marker) for marker in markers)


def _fixtures(item: pytest.Item) -> list[str]:
    return list(getattr(item, "fixturenames", []))
