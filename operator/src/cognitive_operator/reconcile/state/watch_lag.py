"""Finds out that a watch has stopped telling, by what a list tells."""

from collections.abc import Iterator
from contextlib import contextmanager

from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Body


class WatchLag:
    """Compares the versions of objects that a list brings with those that the watches brought.

    A resourceVersion is compared as a number, which Kubernetes allows for its own and for custom resources (KEP-5504).
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._brought: dict[str, int] = {}
        self._missed_since_s: dict[str, float] = {}

    def brought(self, body: Body) -> None:
        """A watch brought an object as it is now."""
        self._brought[body["metadata"]["uid"]] = int(body["metadata"]["resourceVersion"])
        self._missed_since_s.pop(body["metadata"]["uid"], None)

    def lost(self, uid: str) -> None:
        """A watch or a list told that an object is gone."""
        self._brought.pop(uid, None)
        self._missed_since_s.pop(uid, None)

    def reset(self) -> None:
        """The watches end: when they begin anew, they bring everything."""
        self._brought.clear()
        self._missed_since_s.clear()

    @contextmanager
    def listing(self) -> Iterator["Listing"]:
        """Compare with a list; an object that was known before it and that it does not bring is gone."""
        known = self._brought.keys() | self._missed_since_s.keys()
        listing = Listing(self)
        yield listing
        for uid in known - listing.uids:
            self.lost(uid)

    def expect(self, uid: str, version: int) -> None:
        """Note that an object has this version, which its watch has brought or has to bring."""
        if self._brought.get(uid, 0) < version:
            self._missed_since_s.setdefault(uid, self._clock.monotonic())

    def seconds(self) -> float:
        """Return for how long a change is known that no watch has brought; 0 when there is none."""
        oldest_s = min(self._missed_since_s.values(), default=None)
        return 0.0 if oldest_s is None else self._clock.monotonic() - oldest_s


class Listing:
    """A list that is being read."""

    def __init__(self, lag: WatchLag) -> None:
        self._lag = lag
        self.uids: set[str] = set()

    def brings(self, body: Body) -> None:
        """The list has an object."""
        self.uids.add(body["metadata"]["uid"])
        self._lag.expect(body["metadata"]["uid"], int(body["metadata"]["resourceVersion"]))
