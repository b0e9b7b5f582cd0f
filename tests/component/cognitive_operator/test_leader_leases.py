"""Two candidates for one Lease on a real API server, each with a clock of its own."""

import pytest

from cognitive_operator.adapters.kube.api import KubeApi
from cognitive_operator.errors import ConflictError, ObjectNotFoundError
from cognitive_operator.plan.leader_election import acquired_spec, new_lease
from cognitive_operator.reconcile.leader_election import LeaseElection
from controlplane import Kubectl
from support.builders.operator_objects import NOW
from support.fakes.clock import FakeClock

pytestmark = [pytest.mark.component]
AHEAD = "2031-01-01T00:00:00.000000Z"


@pytest.fixture
def clocks() -> tuple[FakeClock, FakeClock]:
    """Clocks of two machines: the wall clocks are four years apart, the monotonic ones begin elsewhere."""
    return FakeClock(), FakeClock(monotonic_s=77_000.0, wall=AHEAD)


async def test_one_of_two_leads_and_the_other_takes_over_after_the_lease_or_its_release(
    kube: KubeApi, kubectl: Kubectl, namespace: str, clocks: tuple[FakeClock, FakeClock]
) -> None:
    leases = kube.leader_leases(namespace)
    first, second = clocks
    one, two = LeaseElection(leases, first, "pair", "one"), LeaseElection(leases, second, "pair", "two")
    for _ in range(10):
        first.advance(2.0)
        second.advance(2.0)
        first.wall = f"2026-11-21T02:00:{int(first.monotonic_s) % 60:02}.000000Z"
        assert (await one.check(), await two.check()) == (True, False)
    held = kubectl.json("get", "lease", "pair")["spec"]
    assert (held["holderIdentity"], held["leaseDurationSeconds"], held["leaseTransitions"]) == ("one", 15, 0)
    leads = []
    for _ in range(8):
        second.advance(2.0)
        leads.append(await two.check())
    assert leads == [False] * 7 + [True], "15 s after the last change that it has seen"
    first.advance(9.0)
    assert not await one.check(), "its write is refused by the resourceVersion"
    await two.release()
    assert kubectl.json("get", "lease", "pair")["spec"]["holderIdentity"] == ""
    first.advance(2.0)
    assert await one.check()
    held = kubectl.json("get", "lease", "pair")["spec"]
    assert (held["holderIdentity"], held["leaseTransitions"]) == ("one", 2)


async def test_an_older_version_of_a_lease_is_not_written(kube: KubeApi, namespace: str) -> None:
    leases = kube.leader_leases(namespace)
    assert await leases.get("pair") is None
    body = await leases.create(new_lease(namespace, "pair", acquired_spec({}, "one", NOW, 15)))
    with pytest.raises(ConflictError):
        await leases.create(new_lease(namespace, "pair", acquired_spec({}, "two", NOW, 15)))
    newer = await leases.replace({**body, "spec": acquired_spec(body["spec"], "two", NOW, 15)})
    with pytest.raises(ConflictError):
        await leases.replace({**body, "spec": acquired_spec(body["spec"], "one", NOW, 15)})
    assert await leases.get("pair") == newer
    gone = {**newer, "metadata": {**newer["metadata"], "name": "absent"}}
    with pytest.raises((ConflictError, ObjectNotFoundError)):
        await leases.replace(gone)


async def test_every_answer_of_the_api_server_is_a_contact(kube: KubeApi) -> None:
    assert kube.answered_s == float("-inf")
    await kube.ping()
    assert kube.answered_s > 0
