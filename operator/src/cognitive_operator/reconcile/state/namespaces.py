"""Availability of each watched namespace, by the API server's answers to lists and watches."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from cognitive_operator.errors import ApiUnavailableError, ForbiddenError, KindAbsentError

logger = logging.getLogger(__name__)
CHECK_LOST_EVERY_S: Final = 10.0
"""Interval at which a lost namespace is tried again: the bound on the time until returned rights are used."""
CHECK_EVERY_S: Final = 30.0
"""Interval at which the rights in an available namespace are checked, since no watch reports that they are gone."""

Check = Callable[[str, bool], Awaitable[None]]
"""Lists each kind in a namespace and, if the second argument is True, also opens and ends a watch of each kind."""


class WatchedNamespaces:
    """The namespaces of the operator, each of which is lost and found by itself.

    Args:
        names: The watched namespaces; none stands for all, which are watched as one and are never lost.
        on_change: Called with a namespace and the cause of its loss; None: it is available.
    """

    def __init__(self, names: Sequence[str], on_change: Callable[[str, str | None], None]) -> None:
        self.names = tuple(names)
        self._on_change = on_change
        self._available = {name: asyncio.Event() for name in names}
        self._subscribers: list[Callable[[str], None]] = []
        for name, event in self._available.items():
            event.set()
            on_change(name, None)

    @property
    def lost(self) -> frozenset[str]:
        """Namespaces that cannot be listed now."""
        return frozenset(name for name, event in self._available.items() if not event.is_set())

    def is_lost(self, name: str) -> bool:
        """Return True while a namespace cannot be listed."""
        return name in self._available and not self._available[name].is_set()

    def subscribe(self, on_change: Callable[[str], None]) -> Callable[[], None]:
        """Have a function called with each namespace that is lost or found; return a function that ends this."""
        self._subscribers.append(on_change)
        return lambda: self._subscribers.remove(on_change)

    def report_lost(self, name: str, cause: str) -> None:
        """Mark a namespace as lost.

        Args:
            name: One of ``names``.
            cause: The API server's answer, with the kind that was refused.
        """
        if self.is_lost(name):
            return
        self._available[name].clear()
        logger.warning(
            "namespace lost: its tasks wait until the operator may list and watch it again",
            extra={"namespace": name, "cause": cause, "retry_s": CHECK_LOST_EVERY_S},
        )
        self._notify(name, cause)

    async def wait_available(self, name: str) -> None:
        """Return once a namespace is available."""
        await self._available[name].wait()

    async def run(self, check: Check) -> None:
        """Check the rights in each namespace at intervals, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name in self.names:
                group.create_task(self._run(name, check), name=f"namespace:{name}")

    async def _run(self, name: str, check: Check) -> None:
        while True:
            await self.check(name, check)
            await self._sleep(name)

    async def _sleep(self, name: str) -> None:
        """Sleep until the next check is due, which a loss brings forward."""
        await asyncio.sleep(CHECK_LOST_EVERY_S)
        for _ in range(int(CHECK_EVERY_S / CHECK_LOST_EVERY_S) - 1):
            if self.is_lost(name):
                return
            await asyncio.sleep(CHECK_LOST_EVERY_S)

    async def check(self, name: str, check: Check) -> None:
        """Check the rights in one namespace once."""
        try:
            await check(name, self.is_lost(name))
        except (ForbiddenError, KindAbsentError) as error:
            self.report_lost(name, str(error))
        except ApiUnavailableError:
            pass  # the API server is away: nothing is known about the namespace
        else:
            self._report_found(name)

    def _report_found(self, name: str) -> None:
        if not self.is_lost(name):
            return
        self._available[name].set()
        logger.info("namespace found again", extra={"namespace": name})
        self._notify(name, None)

    def _notify(self, name: str, cause: str | None) -> None:
        self._on_change(name, cause)
        for subscriber in tuple(self._subscribers):
            subscriber(name)
