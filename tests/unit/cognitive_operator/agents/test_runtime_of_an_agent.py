"""The leases that tell an agent's runtime and the behaviour of its models; requests carry the latter back."""

import json
from typing import Any

import pytest

from cognitive_operator.api.resources import Task
from cognitive_operator.api.wire import Lease, Mode
from cognitive_operator.plan.agent.conditions import NO_EXECUTOR, ObservedExecutor
from cognitive_operator.plan.agent.model.behaviour import LIFETIME_S
from cognitive_operator.reconcile.agent.model.behaviour import LearntBehaviour
from cognitive_operator.reconcile.agent.runtime import RuntimeFeatures
from cognitive_operator.reconcile.state.agent_record import AgentRecord, ObservedWorker
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.task.publish import RequestFactory, RequestPublisher
from support.builders import operator_objects as o
from support.fakes.broker import FakeBroker
from support.fakes.clock import FakeClock

NAME = ("team", "sre")
NOW_UNIX_S = 1795226410.0
"""``operator_objects.NOW``."""
LEARNT = {"endpoint": "http://model/v1", "model": "m", "refused": ["top_p"], "learnt_at": NOW_UNIX_S - 10}


def lease(mode: Mode, **fields: Any) -> Lease:
    who = {"worker": "w", "agent_uid": o.AGENT_UID, "submission_id": "ca-1", "mode": mode, "runtime_version": "0.3.0"}
    times = {"started_at": o.NOW, "renewed_at": o.NOW}
    return Lease.model_validate(who | times | {"ready": True, "capacity": 1} | fields)


class Scene:
    """An agent, the lease of its worker, and the parts that read it."""

    def __init__(self, mode: Mode = "Job") -> None:
        self.index, self.clock = Index(), FakeClock(200.0)
        self.index.upsert_agent(o.agent_body(execution={"mode": mode}))
        self.runtime = RuntimeFeatures(self.index, "image:2", self.clock)
        self.behaviour = LearntBehaviour(self.index, self.clock)

    @property
    def record(self) -> AgentRecord:
        return self.index.agents[NAME]

    @property
    def is_known(self) -> bool:
        return self.runtime.is_known(self.record)

    def see(self, *leases: Lease, changed_s: float = 200.0) -> None:
        workers = {f"w{n}": ObservedWorker(n, each, changed_s) for n, each in enumerate(leases)}
        self.index.update_agent(self.record, workers=workers, leases_at_s=200.0)

    def is_outdated(self, executor: ObservedExecutor = NO_EXECUTOR) -> bool:
        return self.runtime.check(self.runtime.update(self.record), executor).is_true


def test_one_attempt_runs_at_a_time_until_a_lease_of_job_mode_was_read() -> None:
    scene = Scene()
    assert (scene.is_outdated(), scene.is_known) == (False, False)
    scene.see(lease("Job", features=["optional_sampling"]))
    assert (scene.is_outdated(), scene.is_known) == (False, True)
    scene.see()
    assert (scene.is_outdated(), scene.is_known) == (False, True)


def test_the_features_of_job_mode_are_remembered_until_the_cluster_changes() -> None:
    scene = Scene()
    scene.see(lease("Job"))
    assert scene.is_outdated()
    scene.see()
    assert scene.is_outdated()
    body = o.agent_body(execution={"mode": "Job"}, ray={"address": "http://another:8265"})
    body["metadata"]["resourceVersion"] = "11"
    scene.index.upsert_agent(body)
    assert (scene.is_outdated(), scene.is_known) == (False, False)


def test_a_lease_that_is_no_longer_renewed_says_nothing() -> None:
    scene = Scene()
    scene.see(lease("Job"), changed_s=184.0)
    assert (scene.is_outdated(), scene.is_known) == (False, False)


def test_an_executor_is_judged_by_its_live_workers_alone() -> None:
    scene = Scene("Embedded")
    outdated = ObservedExecutor("ca-1", None, (lease("Embedded"),))
    assert scene.is_outdated(outdated)
    assert not scene.is_outdated()
    assert scene.is_known


def test_leases_teach_what_live_workers_have_learnt() -> None:
    scene = Scene("Embedded")
    scene.see(lease("Embedded", learnt=[LEARNT]))
    assert [each.refused for each in scene.behaviour.observe(scene.record)] == [("top_p",)]
    scene.see()
    assert [each.model for each in scene.behaviour.observe(scene.record)] == ["m"]
    scene.clock.wall = "2026-11-21T03:00:00.000000Z"
    assert scene.behaviour.observe(scene.record) == ()


@pytest.mark.parametrize(("age_s", "expected"), [(10.0, ["top_p"]), (LIFETIME_S, None)])
async def test_requests_carry_what_is_not_forgotten(age_s: float, expected: list[str] | None) -> None:
    scene, broker = Scene("Embedded"), FakeBroker()
    scene.see(lease("Embedded", learnt=[LEARNT | {"learnt_at": NOW_UNIX_S - age_s}]))
    scene.behaviour.observe(scene.record)
    record = scene.index.upsert_task(o.task_body(), 0.0)
    nothing: Any = None
    factory = RequestFactory(b"m" * 32, scene.clock, is_traced=False)
    publisher = RequestPublisher(broker.requests, nothing, factory, nothing, scene.index)
    assert record is not None
    await publisher.publish(record, Task.model_validate(o.task_body()), scene.record.agent, o.key())
    ((_, _, payload),) = broker.recorder.of("requests.publish")
    llm = json.loads(payload)["agent"]["llm"]
    assert [each["refused"] for each in llm.get("learnt", ())] == ([expected] if expected else [])
    assert {"temperature", "top_p", "structured_output", "reasoning", "extra_body"} & set(llm) == set()
