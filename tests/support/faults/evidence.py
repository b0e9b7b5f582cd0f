"""Observations of a system under faults: the input of the invariants' checkers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
TERMINAL = ("Succeeded", "Failed", "Cancelled")


@dataclass(frozen=True)
class Sighting:
    """One state of one object as a watch told it."""

    kind: str
    body: Body
    is_deleted: bool = False
    at_s: float = 0.0
    """Monotonic seconds."""

    @property
    def uid(self) -> str:
        """The object's identity."""
        return str(self.body["metadata"]["uid"])

    @property
    def namespace(self) -> str:
        """The object's namespace."""
        return str(self.body["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """Kind, namespace and name, for people."""
        meta = self.body["metadata"]
        return f"{self.kind} {meta['namespace']}/{meta['name']} at {meta.get('resourceVersion', '?')}"

    @property
    def status(self) -> Body:
        """The status, empty while there is none."""
        found: Body = self.body.get("status") or {}
        return found

    @property
    def phase(self) -> str | None:
        """A task's phase."""
        phase: str | None = self.status.get("phase")
        return phase

    @property
    def is_terminal(self) -> bool:
        """True once a task has ended."""
        return self.phase in TERMINAL

    @property
    def attempts(self) -> list[Body]:
        """A task's attempts."""
        found: list[Body] = self.status.get("attempts") or []
        return found

    @property
    def closed(self) -> list[Body]:
        """A task's attempts that have ended."""
        return [attempt for attempt in self.attempts if attempt.get("outcome", "Running") != "Running"]

    @property
    def results(self) -> frozenset[str]:
        """The fields of a task's status that hold its result."""
        return frozenset(name for name in ("result", "resultRef") if self.status.get(name) is not None)

    def condition(self, type_: str) -> Body:
        """Return a condition, empty if there is none."""
        conditions: list[Body] = self.status.get("conditions") or []
        return next((each for each in conditions if each["type"] == type_), {})


@dataclass(frozen=True)
class Write:
    """One write to the Kubernetes API by the operator, from the audit log."""

    at_s: float
    """Wall clock, seconds since the epoch."""
    verb: str
    resource: str
    namespace: str
    name: str
    code: int


@dataclass(frozen=True)
class Evidence:
    """All that the checkers judge by."""

    sightings: Sequence[Sighting] = ()
    """Events of the watch, in their order."""
    executions: Mapping[str, int] = field(default_factory=dict)
    """Model calls for each ``<taskUID>.<attempt>``, counted at the model."""
    calls_per_attempt: int = 1
    """The most model calls of one execution: more only where an answer is repaired."""
    writes: Sequence[Write] = ()
    quiet_since_s: float = float("inf")
    """Wall-clock start of the time without writes, in seconds since the epoch; infinity: not demanded."""
    deleted: frozenset[str] = frozenset()
    """UIDs of objects that were deleted long enough ago."""
    leftovers: Sequence[str] = ()
    """Names of all that the broker and Ray hold: subjects, keys, consumers, objects, jobs that run."""
    stored: Sequence[frozenset[str]] = ()
    """Large results in the object store at each look, ``<bucket>/<name>``; the last look is the newest."""
    namespaces: frozenset[str] = frozenset()
    """Namespaces of agents and tasks, with those that a test has deleted."""
    operator_namespace: str = ""
    ends: Sequence[str] = ()
    """Descriptions of unexpected ends of an operator process."""
    log_lines: Sequence[Body] = ()
    """The operator's log, line by line."""
    secrets: Sequence[str] = ()
    """Values that must not occur in ``texts``."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Texts that might leak a secret, by a readable name of their source."""

    def histories(self, kind: str) -> dict[str, list[Sighting]]:
        """Return the sightings of a kind by UID; what follows a deletion is left out."""
        found: dict[str, list[Sighting]] = {}
        for sighting in self.sightings:
            if sighting.kind == kind:
                found.setdefault(sighting.uid, []).append(sighting)
        return found

    def present(self, kind: str) -> list[Sighting]:
        """Return the last sighting of each object of a kind that still exists."""
        return [history[-1] for history in self.histories(kind).values() if not history[-1].is_deleted]
