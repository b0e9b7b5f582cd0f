"""An agent whose queue waits for a worker is reconciled as soon as that worker's lease changes."""

import asyncio

import pytest

from cognitive_operator.api.names import ObjectName
from cognitive_operator.api.wire import Lease
from cognitive_operator.plan.agent.conditions import NOT_OBSERVED
from cognitive_operator.reconcile.agent.lease_watch import LeaseWatch
from cognitive_operator.reconcile.state.agent_record import ObservedWorker
from cognitive_operator.reconcile.state.index import Index
from support.builders import operator_objects as o
from support.fakes.broker import FakeBroker


def lease(*, ready: bool) -> Lease:
    who = {"worker": "w0", "agent_uid": o.AGENT_UID, "submission_id": "ca-x-1", "mode": "Embedded"}
    what = {"ready": ready, "reason": None if ready else "CredentialsNotMounted", "capacity": 8, "runtime_version": "1"}
    return Lease.model_validate(who | what | {"started_at": o.NOW, "renewed_at": o.NOW})


class Scene:
    """One agent that is blocked, and the agents that changes of leases enqueue."""

    def __init__(self, **spec: object) -> None:
        self.index, self.broker, self.enqueued = Index(), FakeBroker(), list[ObjectName]()
        self.index.upsert_agent(o.agent_body(**spec))
        self.watch = LeaseWatch(self.index, self.broker.leases, self.enqueued.append)

    def known(self, *, ready: bool) -> None:
        record = self.index.agents["team", "sre"]
        self.index.update_agent(record, workers={"w0": ObservedWorker(1, lease(ready=ready), 0.0)})

    async def change(self, agent_uid: str = o.AGENT_UID) -> list[ObjectName]:
        self.broker.leases.changed = [(agent_uid, "w0")]
        watching = asyncio.create_task(self.watch.run())
        await asyncio.sleep(0)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return self.enqueued


async def test_a_new_worker_has_its_agent_reconciled() -> None:
    assert await Scene().change() == [("team", "sre")]


@pytest.mark.parametrize(("ready", "expected"), [(False, [("team", "sre")]), (True, [])])
async def test_a_renewal_has_the_agent_reconciled_only_while_the_worker_is_not_ready(
    ready: bool, expected: list[ObjectName]
) -> None:
    scene = Scene()
    scene.known(ready=ready)
    assert await scene.change() == expected


async def test_a_worker_of_an_agent_that_is_not_blocked_has_nothing_reconciled() -> None:
    scene = Scene()
    scene.index.block(scene.index.agents["team", "sre"], None)
    assert await scene.change() == []
    scene.index.block(scene.index.agents["team", "sre"], NOT_OBSERVED)
    assert await scene.change() == [("team", "sre")]


async def test_a_worker_in_job_mode_has_nothing_reconciled() -> None:
    assert await Scene(execution={"mode": "Job"}).change() == []


@pytest.mark.parametrize(("ready", "expected"), [(1, [("team", "sre")]), (2, [])])
async def test_a_new_slot_has_its_agent_reconciled_while_slots_were_not_ready(
    ready: int, expected: list[ObjectName]
) -> None:
    scene = Scene(execution={"mode": "Job", "job": {"warmSlots": 2}})
    scene.index.queue_of(("team", "sre")).set_warm_slots(ready, ())
    assert await scene.change() == expected


async def test_a_worker_of_an_unknown_or_deleted_agent_has_nothing_reconciled() -> None:
    scene = Scene()
    assert await scene.change("another-uid") == []
    scene.index.remove_agent(("team", "sre"), o.AGENT_UID)
    assert await scene.change() == []
