"""Warm slots of one agent in Job mode, and the attempts that occupy them."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class WarmSlots:
    """Counts the slots that are free by the leases of their workers and by the attempts that were given to them.

    A worker executes one attempt and ends, and another one takes its place at once. So the number of slots stays the
    same between two readings of the leases, and a worker's name means nothing.
    """

    ready: int = 0
    """Slots whose workers were ready or ran an attempt when the leases were last read."""
    _occupants: set[str] = field(default_factory=set)
    """UIDs of the tasks whose attempts occupy a slot, or wait for one."""

    def update(self, ready: int, running: Iterable[str]) -> None:
        """Set the slots by their leases, and the tasks that they run.

        A task that has got a slot stays its occupant until ``release``: its worker may report it later.
        """
        self.ready = ready
        self._occupants.update(running)

    def take(self, uid: str) -> bool:
        """Occupy a slot for a task; return False if none is free."""
        if self.free <= 0:
            return False
        self._occupants.add(uid)
        return True

    def release(self, uid: str) -> None:
        """Free the slot of a task whose attempt has ended. Idempotent."""
        self._occupants.discard(uid)

    @property
    def free(self) -> int:
        """Slots that no attempt occupies or waits for; never less than 0."""
        return max(0, self.ready - len(self._occupants))
