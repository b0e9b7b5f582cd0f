"""Leader election by a Lease: decides when a candidate may acquire it, and builds its content.

``reconcile.leader_election`` decides when a leader stops.

No time of one machine is compared with a time of another. A candidate measures on its own monotonic clock for how long
it has seen no change of the Lease, and a leader for how long it has not renewed it. Clocks that differ by any offset
therefore make no second leader.

Source: client-go's package ``leaderelection``, of which the durations are the defaults.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cognitive_operator.api.names import LEASE_API
from cognitive_operator.ports.kube import Body

RELEASED_DURATION_S: Final = 1


@dataclass(frozen=True)
class LeaseTiming:
    """Durations of the election, in seconds."""

    duration_s: int = 15
    """Time without a change of the Lease after which another candidate acquires it."""
    renew_deadline_s: float = 10.0
    """Time without a renewal after which a leader stops acting: less than the duration, so that it stops first."""
    retry_s: float = 2.0
    """Interval between two renewals, or between two reads by a candidate."""
    request_s: float = 4.0
    """Deadline of one try, so that a leader whose request is lost has a second one before its deadline."""


@dataclass(frozen=True)
class ObservedLeaderLease:
    """The Lease as this process read or wrote it last."""

    body: Body
    changed_s: float
    """Monotonic seconds at which this process saw the present version first."""

    @property
    def version(self) -> str:
        """The resourceVersion: it changes with every write, whatever the wall clock of the writer says."""
        return str(self.body["metadata"].get("resourceVersion"))

    @property
    def holder_identity(self) -> str:
        """Identity of the leader; empty: released."""
        return str(self.spec.get("holderIdentity") or "")

    @property
    def spec(self) -> Mapping[str, Any]:
        """The content."""
        found: Mapping[str, Any] = self.body.get("spec") or {}
        return found


def observe_lease(before: ObservedLeaderLease | None, body: Body, now_s: float) -> ObservedLeaderLease:
    """Return a Lease that was just read, with the time of its last change as this process saw it."""
    seen = ObservedLeaderLease(body, now_s)
    return before if before is not None and before.version == seen.version else seen


def may_acquire(lease: ObservedLeaderLease, identity: str, now_s: float) -> bool:
    """Return True if a candidate may acquire or renew the Lease: it is its own, released, or no longer renewed."""
    if lease.holder_identity in ("", identity):
        return True
    duration = lease.spec.get("leaseDurationSeconds")
    duration_s = duration if isinstance(duration, int) and duration > 0 else LeaseTiming.duration_s
    return now_s - lease.changed_s >= duration_s


def new_lease(namespace: str, name: str, spec: Body) -> Body:
    """Return a Lease that does not exist yet."""
    return {"apiVersion": LEASE_API, "kind": "Lease", "metadata": {"namespace": namespace, "name": name}, "spec": spec}


def acquired_spec(spec: Mapping[str, Any], identity: str, now: str, duration_s: int) -> Body:
    """Return the content of a Lease that a candidate acquires or renews.

    Args:
        spec: The present content, empty for a new Lease.
        identity: The candidate.
        now: The wall clock, only for people who read the Lease.
        duration_s: Time without a change after which another candidate may acquire it.
    """
    is_renewal = spec.get("holderIdentity") == identity
    transitions = spec.get("leaseTransitions") or 0
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": duration_s,
        "acquireTime": (spec.get("acquireTime") if is_renewal else None) or now,
        "renewTime": now,
        "leaseTransitions": transitions if is_renewal or not spec else transitions + 1,
    }


def released_spec(spec: Mapping[str, Any], now: str) -> Body:
    """Return the content of a Lease that its holder releases: a candidate acquires it by its next read."""
    return {**spec, "holderIdentity": "", "leaseDurationSeconds": RELEASED_DURATION_S, "renewTime": now}
