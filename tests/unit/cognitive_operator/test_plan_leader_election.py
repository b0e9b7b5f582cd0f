"""A Lease is taken by the time since this process last saw it change, and by no time of another machine."""

from typing import Any

import pytest

from cognitive_operator.plan.leader_election import (
    LeaseTiming,
    ObservedLeaderLease,
    acquired_spec,
    may_acquire,
    new_lease,
    observe_lease,
    released_spec,
)

T0, T1 = "2026-11-27T10:00:00.000000Z", "2026-11-27T10:00:02.000000Z"
FAR = "2031-01-01T00:00:00.000000Z"


def lease(holder: str = "other", version: str = "7", **spec: Any) -> dict[str, Any]:
    content = {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": T0, **spec}
    return {"metadata": {"name": "pair", "resourceVersion": version}, "spec": content}


@pytest.mark.parametrize(
    ("body", "seen_s", "expected"),
    [
        (lease(), 14.9, False),
        (lease(), 15.0, True),
        (lease(renewTime=FAR), 15.0, True),
        (lease(renewTime="1999-01-01T00:00:00.000000Z"), 14.9, False),
        (lease(leaseDurationSeconds=40), 39.0, False),
        (lease(leaseDurationSeconds="text"), 14.9, False),
        (lease(leaseDurationSeconds=-1), 15.0, True),
        (lease(""), 0.0, True),
        (lease("me"), 0.0, True),
        ({"metadata": {}}, 0.0, True),
        ({"metadata": {}, "spec": {"holderIdentity": None}}, 0.0, True),
    ],
)
def test_a_lease_is_taken_when_it_is_free_or_unchanged_for_its_duration(
    body: dict[str, Any], seen_s: float, expected: bool
) -> None:
    assert may_acquire(ObservedLeaderLease(body, 100.0), "me", 100.0 + seen_s) is expected


def test_the_time_of_a_change_is_that_of_its_first_sight() -> None:
    first = observe_lease(None, lease(), 100.0)
    assert observe_lease(first, lease(), 110.0).changed_s == 100.0
    assert observe_lease(first, lease(version="8", renewTime=T1), 110.0).changed_s == 110.0


def test_every_write_of_the_lease_is_a_renewal_also_by_a_wall_clock_that_stands_still() -> None:
    seen = observe_lease(observe_lease(None, lease(), 100.0), lease(version="8"), 110.0)
    assert (seen.changed_s, seen.version) == (110.0, "8")


def test_the_content_tells_who_leads_since_when_and_after_how_many() -> None:
    first = acquired_spec({}, "me", T0, 15)
    assert first == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "acquireTime": T0,
        "renewTime": T0,
        "leaseTransitions": 0,
    }
    assert acquired_spec(first, "me", T1, 15) == {**first, "renewTime": T1}
    taken = acquired_spec(first, "you", T1, 15)
    assert (taken["holderIdentity"], taken["acquireTime"], taken["leaseTransitions"]) == ("you", T1, 1)
    released = released_spec(taken, T1)
    assert (released["holderIdentity"], released["leaseDurationSeconds"], released["leaseTransitions"]) == ("", 1, 1)
    assert acquired_spec(released, "you", FAR, 15)["leaseTransitions"] == 2


def test_a_new_lease_lies_in_the_operators_namespace() -> None:
    body = new_lease("cognitive-system", "pair", {"holderIdentity": "me"})
    assert (body["apiVersion"], body["kind"]) == ("coordination.k8s.io/v1", "Lease")
    assert body["metadata"] == {"namespace": "cognitive-system", "name": "pair"}


def test_a_leader_stops_before_another_may_take_over() -> None:
    timing = LeaseTiming()
    assert timing.renew_deadline_s + timing.retry_s < timing.duration_s
    assert timing.retry_s + 2 * timing.request_s <= timing.renew_deadline_s, "two tries fit into the deadline"
