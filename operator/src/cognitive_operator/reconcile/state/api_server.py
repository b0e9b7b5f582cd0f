"""Availability of the API server, by the answers to this process's requests."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from cognitive_operator.errors import CognitiveOperatorError
from cognitive_operator.ports.clock import Clock

logger = logging.getLogger(__name__)
AWAY_AFTER_S: Final = 5.0
"""Time without a usable answer after which the API server counts as away; a single failed request does not."""
IDLE_S: Final = 10.0
"""Time without any request after which one is sent, so that an idle operator detects an outage, too."""
PROBE_EVERY_S: Final = 1.0


class ApiServerState:
    """Tells if the API server answers, and calls the subscribers once it answers again after an outage.

    ``set_available`` is called with each change, and with True at the start.
    """

    def __init__(self, clock: Clock, set_available: Callable[[bool], None]) -> None:
        self._clock = clock
        self._set_available = set_available
        self._failing_since_s: float | None = None
        self._asked_s = clock.monotonic()
        self._subscribers: list[Callable[[], None]] = []
        self.is_available = True
        set_available(True)

    def subscribe(self, on_return: Callable[[], None]) -> Callable[[], None]:
        """Call ``on_return`` after each outage; return a function that ends the subscription."""
        self._subscribers.append(on_return)
        return lambda: self._subscribers.remove(on_return)

    def on_answer(self, code: int) -> None:
        """Take the HTTP code of an answer; 0: there was none."""
        now_s = self._asked_s = self._clock.monotonic()
        if code == 0 or code >= 500:
            self._on_failure(now_s)
            return
        self._failing_since_s = None
        if not self.is_available:
            self._change(is_available=True)
            logger.info("the API server answers again")
            for on_return in tuple(self._subscribers):
                on_return()

    async def run(self, ask: Callable[[], Awaitable[object]]) -> None:
        """Send a request by ``ask`` while the last one failed, and after IDLE_S without any, until cancelled."""
        while True:
            await asyncio.sleep(PROBE_EVERY_S)
            if self._failing_since_s is not None or self._clock.monotonic() - self._asked_s > IDLE_S:
                with contextlib.suppress(CognitiveOperatorError):
                    await ask()

    def _on_failure(self, now_s: float) -> None:
        if self._failing_since_s is None:
            self._failing_since_s = now_s
        if self.is_available and now_s - self._failing_since_s >= AWAY_AFTER_S:
            self._change(is_available=False)
            logger.warning("the API server does not answer; responses are kept until it does")

    def _change(self, *, is_available: bool) -> None:
        self.is_available = is_available
        self._set_available(is_available)
