"""The executor that an agent's new settings replace: when its drain message is sent."""

import json
from dataclasses import replace
from typing import Any

import pytest

from cognitive_operator.api.wire import Lease
from cognitive_operator.desired.ray_job import RayEnvironment
from cognitive_operator.errors import RayRefusedError
from cognitive_operator.plan.agent.conditions import ObservedExecutor
from cognitive_operator.ports.ray import RayJob, RayTarget
from cognitive_operator.reconcile.agent.executor import ExecutorPorts, ExecutorReconciler
from cognitive_operator.reconcile.agent.silence import ExecutorSilence
from cognitive_operator.reconcile.state.agent_record import ObservedWorker
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.timing import AgentTiming
from support.builders import operator_objects as o
from support.fakes.broker import FakeBroker
from support.fakes.clock import FakeClock
from support.fakes.ray import FakeRay

NAME = ("team", "sre")
OLD = f"ca-{o.AGENT_UID}-aaaaaaaa-1"
SLOTS = {"mode": "Job", "job": {"warmSlots": 2}}


def lease() -> Lease:
    """Return the lease of a ready worker of the old executor."""
    who = {"worker": "w0", "agent_uid": o.AGENT_UID, "submission_id": OLD, "mode": "Job", "ready": True}
    what = {"capacity": 1, "runtime_version": "1", "features": ["warm_slots"]}
    return Lease.model_validate(who | what | {"started_at": o.NOW, "renewed_at": o.NOW})


class Scene:
    """An agent whose settings have changed, and whose old executor has one ready worker."""

    def __init__(self, execution: dict[str, Any]) -> None:
        self.index, self.clock, self.broker = Index(), FakeClock(100.0), FakeBroker()
        self.recorder = self.broker.recorder
        self.ray = FakeRay(self.recorder, jobs={OLD: RayJob(OLD, "RUNNING", "")})
        record = self.index.upsert_agent(o.agent_body(execution=execution))
        assert record is not None
        ray = replace(record.ray, target=RayTarget("http://ray:8265"))
        workers = {"w0": ObservedWorker(1, lease(), 100.0)}
        self.index.update_agent(record, ray=ray, workers=workers, leases_at_s=100.0)
        ports = ExecutorPorts(self.ray, self.broker.control, RayEnvironment("nats://nats:4222"), self.clock)
        self.executor = ExecutorReconciler(
            self.index, ports, ExecutorSilence(self.index, self.ray, self.clock, AgentTiming())
        )

    async def ensure(self) -> ObservedExecutor:
        """Ensure the executor; a job that was submitted is pending from then on."""
        found = await self.executor.ensure(self.index.agents[NAME])
        if "ray.submit" not in self.recorder.effects:
            for _, _, submission in self.recorder.of("ray.submit"):
                self.ray.jobs[submission.submission_id] = RayJob(submission.submission_id, "PENDING", "")
        return found

    @property
    def drained(self) -> list[str]:
        """Submission IDs of the drain messages."""
        return [json.loads(payload)["submission_id"] for *_, payload in self.recorder.of("control.send")]


@pytest.mark.parametrize(("execution", "drained"), [(SLOTS, [OLD]), ({"workers": 2}, [])], ids=["slots", "workers"])
async def test_slots_make_room_for_their_successors_and_workers_stay_until_those_are_ready(
    execution: dict[str, Any], drained: list[str]
) -> None:
    scene = Scene(execution)
    first = await scene.ensure()
    assert (first.current in scene.ray.jobs, scene.drained) == (True, [])
    assert (await scene.ensure()).current == first.current
    assert scene.drained == drained


async def test_slots_stay_while_ray_refuses_their_successors() -> None:
    scene = Scene(SLOTS)
    scene.recorder.effects["ray.submit"] = RayRefusedError("no")
    for _ in range(2):
        assert (await scene.ensure()).failure == "no"
        scene.clock.advance(1.0)
    assert scene.drained == []
