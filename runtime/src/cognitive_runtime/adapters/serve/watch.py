"""Watch of an agent's application by a worker, and by the replicas themselves. It imports no Ray Serve."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ray.exceptions import RayError

from cognitive_runtime.adapters.serve.owner import STARTING, find_owner, owner_names
from cognitive_runtime.domain.execution import ServeProblem

_LOGGER: Final = logging.getLogger(__name__)
_CALL_S: Final = 10.0
"""Longest call of the owner; the worker's executor is gone if it takes longer."""
ORPHANED_AFTER_S: Final = 120.0
"""Longer than the operator's pauses between two starts of an executor, which are 60 s at most."""
_ORPHAN_POLL_S: Final = 10.0


@dataclass
class ApplicationWatch:
    """Problem of the application, as the owner of the worker's executor reports it."""

    find: Callable[[], Any]
    """Returns the owner's handle. Blocks; raises ``ValueError`` if the owner does not live."""
    interval_s: float = 1.0
    problem: ServeProblem | None = STARTING
    _owner: Any = field(default=None)

    async def run(self, on_change: Callable[[], None]) -> None:
        """Read the problem until cancelled, and call ``on_change`` after each change."""
        while True:
            found = await self._read()
            if found != self.problem:
                self.problem = found
                on_change()
            await asyncio.sleep(self.interval_s)

    async def _read(self) -> ServeProblem | None:
        try:
            async with asyncio.timeout(_CALL_S):
                if self._owner is None:
                    self._owner = await asyncio.to_thread(self.find)
                found: ServeProblem | None = await self._owner.problem.remote()
                return found
        except (RayError, RuntimeError, OSError, ValueError, TimeoutError) as error:
            self._owner = None
            return ServeProblem("ServeUnavailable", f"The executor's driver does not answer ({type(error).__name__}).")


def owner_watch(namespace: str, owner: str) -> ApplicationWatch:
    """Return the watch of a worker whose executor has this owner."""
    return ApplicationWatch(lambda: find_owner(namespace, owner))


@dataclass
class OrphanWatch:
    """Deletes an application from one of its replicas once no executor of the agent has lived for a while."""

    owners: Callable[[], list[str]]
    delete: Callable[[], None]
    monotonic: Callable[[], float] = time.monotonic
    _owned_at_s: float = field(default=float("-inf"))

    def check(self) -> bool:
        """Return True after the application was deleted."""
        now_s = self.monotonic()
        try:
            if self.owners() or self._owned_at_s == float("-inf"):
                self._owned_at_s = now_s
            if now_s - self._owned_at_s < ORPHANED_AFTER_S:
                return False
            _LOGGER.warning("deleting an application without an executor", extra={"event": "ApplicationOrphaned"})
            self.delete()
        except (RayError, RuntimeError, OSError) as error:
            _LOGGER.warning("owners not read", extra={"event": "OwnersNotRead", "reason": type(error).__name__})
            return False
        return True


def start_orphan_watch(namespace: str, delete: Callable[[], None]) -> None:
    """Check every ten seconds, in a thread of this process."""
    watch = OrphanWatch(lambda: owner_names(namespace), delete)

    def run() -> None:
        while not watch.check():
            time.sleep(_ORPHAN_POLL_S)

    threading.Thread(target=run, name="application-orphan-watch", daemon=True).start()
