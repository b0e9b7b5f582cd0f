"""Python's garbage collector, with pauses that do not grow with the number of objects that are kept.

A full collection visits all objects that live and stops the process: for 0.6 s with 20,000 waiting tasks. Reference
counts free nearly everything; the collector is needed only for cycles of references.
"""

import asyncio
import gc
from collections.abc import Mapping
from typing import Any, Final

FULL_S: Final = 600.0
"""Seconds between two collections that visit all objects. Later ones keep more memory of cycles, earlier ones pause
the operator more often."""

YOUNGER_COLLECTIONS: Final = 1
"""Collections of the second generation before a full one; Python's default is 10. Full ones are then of some 10,000
objects, which takes about 10 ms."""


async def keep_pauses_short(full_s: float = FULL_S) -> None:
    """Visit an object in one full collection only, until cancelled; visit all objects every ``full_s`` seconds.

    An object that survives a full collection is frozen: later ones leave it out. Its reference count still frees it.
    If it is part of a cycle, it is freed after ``full_s`` at the latest. Full collections are frequent, so that each
    has few new objects to visit.
    """
    threshold = gc.get_threshold()
    gc.set_threshold(*threshold[:2], YOUNGER_COLLECTIONS)
    gc.callbacks.append(_freeze_survivors)
    try:
        while True:
            gc.unfreeze()
            gc.collect()
            gc.collect()  # visits nothing; without it, the next one would wait for a quarter as many new objects
            await asyncio.sleep(full_s)
    finally:
        gc.callbacks.remove(_freeze_survivors)
        gc.set_threshold(*threshold)
        gc.unfreeze()


def _freeze_survivors(phase: str, collection: Mapping[str, Any]) -> None:
    if phase == "stop" and collection["generation"] == 2:
        gc.freeze()
