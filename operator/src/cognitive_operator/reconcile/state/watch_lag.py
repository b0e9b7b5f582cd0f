"""Detects a stalled watch by comparing it with list results."""

from collections.abc import Iterator
from contextlib import contextmanager

from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Body


class WatchLag:
    """Compares the versions of objects in lists with those in watch events.

    A resourceVersion is compared as a number, which Kubernetes allows for its own and for custom resources (KEP-5504).
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reported: dict[str, int] = {}
        self._missed_since_s: dict[str, float] = {}

    def observe(self, body: Body) -> None:
        """Record the version of an object in a watch event."""
        self._reported[body["metadata"]["uid"]] = int(body["metadata"]["resourceVersion"])
        self._missed_since_s.pop(body["metadata"]["uid"], None)

    def forget(self, uid: str) -> None:
        """Forget an object that a watch or a list reports as deleted."""
        self._reported.pop(uid, None)
        self._missed_since_s.pop(uid, None)

    def reset(self) -> None:
        """Forget all objects: new watches report all of them again."""
        self._reported.clear()
        self._missed_since_s.clear()

    @contextmanager
    def listing(self) -> Iterator["Listing"]:
        """Compare with a list; a known object that is not in the list is deleted."""
        known = self._reported.keys() | self._missed_since_s.keys()
        listing = Listing(self)
        yield listing
        for uid in known - listing.uids:
            self.forget(uid)

    def expect(self, uid: str, version: int) -> None:
        """Record the version of an object in a list, which its watch has reported or must report."""
        if self._reported.get(uid, 0) < version:
            self._missed_since_s.setdefault(uid, self._clock.monotonic())

    def seconds(self) -> float:
        """Return the watch lag: the age in seconds of the oldest change that no watch has reported; 0 without one."""
        oldest_s = min(self._missed_since_s.values(), default=None)
        return 0.0 if oldest_s is None else self._clock.monotonic() - oldest_s


class Listing:
    """A list that is being read."""

    def __init__(self, lag: WatchLag) -> None:
        self._lag = lag
        self.uids: set[str] = set()

    def add(self, body: Body) -> None:
        """Record an object of the list."""
        self.uids.add(body["metadata"]["uid"])
        self._lag.expect(body["metadata"]["uid"], int(body["metadata"]["resourceVersion"]))
