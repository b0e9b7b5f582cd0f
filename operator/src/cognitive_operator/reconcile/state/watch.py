"""Passes watch events to the engine that runs, and detects a stalled watch by comparing it with list results."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.state.owners import ALL_NAMESPACES


class WatchLag:
    """Compares the versions of objects in lists with those in watch events.

    A resourceVersion is compared as a number, which Kubernetes allows for its own and for custom resources (KEP-5504).
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reported: dict[str, int] = {}
        self._missed_since_s: dict[str, float] = {}
        self._namespaces: dict[str, str] = {}
        """Namespace of each known object, by UID."""

    def observe(self, body: Body) -> None:
        """Record the version of an object in a watch event."""
        uid = body["metadata"]["uid"]
        self._reported[uid] = int(body["metadata"]["resourceVersion"])
        self._namespaces[uid] = body["metadata"]["namespace"]
        self._missed_since_s.pop(uid, None)

    def forget(self, uid: str) -> None:
        """Forget an object that a watch or a list reports as deleted."""
        self._reported.pop(uid, None)
        self._namespaces.pop(uid, None)
        self._missed_since_s.pop(uid, None)

    def pause(self) -> None:
        """Expect nothing while no lists are read; the watches go on to report versions."""
        self._missed_since_s.clear()

    def pause_namespace(self, namespace: str) -> None:
        """Expect no event of a namespace that may not be watched."""
        for uid in [uid for uid in self._missed_since_s if self._namespaces.get(uid) == namespace]:
            del self._missed_since_s[uid]

    @contextmanager
    def listing(self, scope: str = ALL_NAMESPACES) -> Iterator["Listing"]:
        """Compare with a list of one namespace, or of all; a known object that it does not have is deleted."""
        known = {uid for uid, name in self._namespaces.items() if scope in (ALL_NAMESPACES, name)}
        listing = Listing(self)
        yield listing
        for uid in known - listing.uids:
            self.forget(uid)

    def expect(self, body: Body) -> None:
        """Record the version of an object in a list, which its watch has reported or must report."""
        uid, version = body["metadata"]["uid"], int(body["metadata"]["resourceVersion"])
        self._namespaces[uid] = body["metadata"]["namespace"]
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
        self._lag.expect(body)


@dataclass(frozen=True)
class Receiver:
    """Functions that take in the objects of one kind."""

    upsert: Callable[[Body], None]
    """Stores an object as it is now."""
    delete: Callable[[Body], None]
    """Removes a deleted object."""


class WatchEvents:
    """Passes each event to the receiver of its kind while an engine runs; without one it only notes the version."""

    def __init__(self, lag: WatchLag) -> None:
        self._lag = lag
        self._receivers: Mapping[str, Receiver] = {}

    def connect(self, receivers: Mapping[str, Receiver]) -> None:
        """Pass events to an engine's receivers, by the plural of their kind."""
        self._receivers = receivers

    def disconnect(self) -> None:
        """Pass events to no engine, and expect no event until another engine reads a list."""
        self._receivers = {}
        self._lag.pause()

    def upsert(self, plural: str, body: Body) -> None:
        """Take in an object as it is now; watches may report it before an engine runs."""
        self._lag.observe(body)
        if plural in self._receivers:
            self._receivers[plural].upsert(body)

    def delete(self, plural: str, body: Body) -> None:
        """Take in the deletion of an object."""
        self._lag.forget(body["metadata"]["uid"])
        if plural in self._receivers:
            self._receivers[plural].delete(body)

    def watch_lag_s(self) -> float:
        """Return the watch lag in seconds."""
        return self._lag.seconds()
