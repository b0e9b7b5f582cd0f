"""The record of the calls to fake ports, and the errors that a test sets for them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Effect = Exception | deque[Exception] | Callable[[], object]


@dataclass
class Recorder:
    """Calls in their order; fakes that share a recorder share one order."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    """Name and arguments of each call, for example ``("claims.get", key)``; a call that fails is one of them."""
    effects: dict[str, Effect] = field(default_factory=dict)
    """Effects by name of the call: an error for every call, a queue with one for each, or a function to run in it."""

    @property
    def names(self) -> list[str]:
        """Names of the calls, in their order."""
        return [name for name, *_ in self.calls]

    def of(self, *names: str) -> list[tuple[Any, ...]]:
        """Return the calls of these names, in their order."""
        return [call for call in self.calls if call[0] in names]

    def record(self, name: str, *args: Any) -> None:
        """Record a call, then raise the error or run the function that the test has set for it."""
        self.calls.append((name, *args))
        effect = self.effects.get(name)
        if isinstance(effect, deque):
            effect = effect.popleft() if effect else None
        if isinstance(effect, Exception):
            raise effect
        if effect is not None:
            effect()


@dataclass
class FakePort:
    """A port that records its calls and returns the answers that the test has set. It emulates no server."""

    recorder: Recorder = field(default_factory=Recorder)
