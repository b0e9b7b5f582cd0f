"""Imports of the processes of Ray jobs, which take most of the time from their start to their first task."""

import gc
from collections.abc import Callable
from threading import Event
from typing import Final, ParamSpec, TypeVar

from cognitive_runtime.adapters.deferred_imports import DeferredPackages

P = ParamSpec("P")
T = TypeVar("T")

DEFERRED: Final = (
    "aiohttp",
    "openai.types",
    "openai.types.beta",
    "openai.types.responses",
    "openai.types.shared",
    "requests",
)
"""Packages that NATS, openai and DSPy import for WebSockets, most of OpenAI's API and ColBERT.

No executor uses them, and they take a third of the CPU time of all imports.
"""
ABSENT: Final = ("openai._vendor.httpx_aiohttp",)
"""Optional transport of openai, which would run aiohttp's code. The executor uses httpx2."""
_hook: Final = DeferredPackages(DEFERRED, ABSENT)
_ended: Final = Event()
_ended.set()


def begin_imports() -> None:
    """Import quickly until ``end_imports``.

    Packages are deferred, and the garbage collector is off: it would scan all new modules again and again, for a fifth
    of the time of the imports.
    """
    _ended.clear()
    _hook.install()
    gc.disable()


def end_imports() -> None:
    """Import normally again, and keep everything imported out of later garbage collections. Idempotent."""
    _hook.remove()
    gc.freeze()
    gc.enable()
    _ended.set()


def wait_imports() -> None:
    """Block until ``end_imports``, so that two threads do not import packages with cycles at the same time."""
    _ended.wait()


def last_import(load: Callable[P, T]) -> Callable[P, T]:
    """Return ``load``, which imports the rest, as a function that ends the quick imports, also when it fails."""

    def loaded(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return load(*arguments, **named)
        finally:
            end_imports()

    return loaded
