"""A blocked agent lets one task try again: after missing credentials, an outdated runtime or an open circuit."""

from dataclasses import replace

import pytest

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.plan.agent.features import RETRY_RUNTIME_S, RUNTIME_CURRENT, JobRuntime
from cognitive_operator.plan.agent.model.circuit_breaker import OpenCircuit
from cognitive_operator.ports.kube import KubeEvent
from support.builders import operator_objects as o
from support.fakes.agent_scene import NAME, TIMING, Scene


@pytest.mark.parametrize(
    ("age_s", "reason"),
    [(0.0, Reason.CREDENTIALS_NOT_MOUNTED), (TIMING.credentials_trial_s + 1, Reason.AVAILABLE)],
)
async def test_missing_credentials_block_an_agent_in_job_mode_for_a_while(age_s: float, reason: Reason) -> None:
    scene = Scene(execution={"mode": "Job"})
    missing = Condition.false(AgentCondition.EXECUTOR_READY, Reason.CREDENTIALS_NOT_MOUNTED, "no file")
    scene.index.update_agent(scene.record, credentials=missing, credentials_at_s=scene.clock.monotonic())
    await scene.reconcile(age_s)
    assert scene.ready()[1] == reason


async def test_one_task_tries_whether_the_credentials_are_mounted_with_growing_pauses() -> None:
    scene = Scene(execution={"mode": "Job"})
    scene.index.upsert_task(o.task_body(), 0.0)
    scene.index.add_to_queue(o.TASK_UID, is_accepted=True)
    missing = Condition.false(AgentCondition.EXECUTOR_READY, Reason.BROKER_UNREACHABLE, "no broker")
    for failures, pause_s in ((1, 30.0), (2, 60.0), (9, TIMING.credentials_trial_max_s)):
        scene.index.update_agent(
            scene.record, credentials=missing, credentials_at_s=scene.clock.monotonic(), credentials_failures=failures
        )
        await scene.reconcile(pause_s)
        assert scene.ready() == ("False", Reason.BROKER_UNREACHABLE)
        assert not scene.index.queue_of(NAME).dispatch.is_trial
        await scene.reconcile(1.0)
        assert scene.ready() == ("False", Reason.BROKER_UNREACHABLE)
        state = scene.index.queue_of(NAME).dispatch
        assert (state.is_blocked, state.is_trial) == (True, True)
    scene.index.queue_of(NAME).start(o.TASK_UID)
    await scene.reconcile(1.0)
    assert not scene.index.queue_of(NAME).dispatch.is_trial


async def test_an_agent_that_leaves_job_mode_no_longer_waits_for_its_credentials() -> None:
    scene = Scene()
    missing = Condition.false(AgentCondition.EXECUTOR_READY, Reason.CREDENTIALS_NOT_MOUNTED, "no file")
    scene.index.update_agent(scene.record, credentials=missing, credentials_at_s=scene.clock.monotonic())
    await scene.reconcile()
    assert scene.ready() == ("True", Reason.AVAILABLE)


OUTDATED = Condition.true(AgentCondition.RUNTIME_OUTDATED, Reason.FEATURE_MISSING, "image:1 lacks reasoning.")
REFUSING = OpenCircuit(Reason.CREDENTIALS_REFUSED, "correct the Secret", trial_at_s=1030.0)


async def test_an_outdated_runtime_closes_the_queue_until_another_reports() -> None:
    scene = Scene()
    scene.steps.runtime = OUTDATED
    await scene.reconcile()
    assert scene.ready() == ("False", Reason.RUNTIME_OUTDATED)
    assert (scene.index.queue_of(NAME).dispatch.is_blocked, scene.index.queue_of(NAME).dispatch.is_trial) == (
        True,
        False,
    )
    assert scene.steps.events == [KubeEvent("Warning", "RuntimeOutdated", "image:1 lacks reasoning.")]
    scene.steps.runtime = RUNTIME_CURRENT
    await scene.reconcile(5.0)
    assert scene.ready() == ("True", Reason.AVAILABLE)
    assert not scene.index.queue_of(NAME).dispatch.is_blocked


async def test_an_open_circuit_lets_one_task_try_once_the_pause_is_over() -> None:
    scene = Scene()
    scene.index.upsert_task(o.task_body(), 0.0)
    scene.index.add_to_queue(o.TASK_UID, is_accepted=True)
    scene.index.update_agent(scene.record, open_circuit=REFUSING)
    await scene.reconcile()
    assert scene.ready() == ("False", Reason.CREDENTIALS_REFUSED)
    scene.enqueued.clear()
    await scene.reconcile(29.0)
    assert (scene.index.queue_of(NAME).dispatch.is_trial, scene.enqueued) == (False, [])
    await scene.reconcile(1.0)
    assert (scene.index.queue_of(NAME).dispatch.is_blocked, scene.index.queue_of(NAME).dispatch.is_trial) == (
        True,
        True,
    )
    assert scene.enqueued == [o.TASK_UID]
    scene.index.update_agent(scene.record, open_circuit=REFUSING.half_open(o.TASK_UID))
    await scene.reconcile(1.0)
    assert not scene.index.queue_of(NAME).dispatch.is_trial


async def test_tasks_that_have_tried_try_again_once_no_other_task_waits() -> None:
    scene = Scene()
    scene.index.upsert_task(o.task_body(), 0.0)
    scene.index.add_to_queue(o.TASK_UID, is_accepted=True)
    circuit = replace(REFUSING, reason=Reason.INFERENCE_FAILING, trial_at_s=0.0, tried=frozenset({o.TASK_UID}))
    scene.index.update_agent(scene.record, open_circuit=circuit)
    await scene.reconcile()
    assert scene.record.open_circuit == circuit, "another task waits"
    scene.index.queue_of(NAME).back_off(o.TASK_UID)
    scene.enqueued.clear()
    await scene.reconcile(1.0)
    assert scene.record.open_circuit == replace(circuit, tried=frozenset())
    assert scene.enqueued == [o.TASK_UID]


async def test_a_model_that_lists_itself_is_not_ready_while_its_inference_fails() -> None:
    scene = Scene()
    scene.index.update_agent(
        scene.record, open_circuit=OpenCircuit(Reason.INFERENCE_FAILING, "m fails", trial_at_s=1e9)
    )
    await scene.reconcile(600.0)
    assert scene.record.model.is_true
    assert scene.ready() == ("False", Reason.INFERENCE_FAILING)


@pytest.mark.parametrize(("mode", "expected"), [("Job", True), ("Embedded", False)])
async def test_only_job_mode_tries_an_outdated_runtime_again(mode: str, expected: bool) -> None:
    scene = Scene(execution={"mode": mode})
    scene.steps.runtime = OUTDATED
    await scene.reconcile()
    seen = JobRuntime(scene.record.runtime_key, "1", frozenset(), scene.clock.monotonic())
    scene.index.update_agent(scene.record, runtime=seen)
    await scene.reconcile(RETRY_RUNTIME_S - 1)
    assert not scene.index.queue_of(NAME).dispatch.is_trial
    await scene.reconcile(1.0)
    assert scene.index.queue_of(NAME).dispatch.is_trial is expected
    scene.index.queue_of(NAME).start("another")
    await scene.reconcile(1.0)
    assert not scene.index.queue_of(NAME).dispatch.is_trial


async def test_one_task_runs_at_a_time_while_the_runtime_is_not_known() -> None:
    scene = Scene(execution={"mode": "Job"})
    for is_known in (False, True):
        scene.steps.is_runtime_known = is_known
        await scene.reconcile(5.0)
        assert scene.index.queue_of(NAME).dispatch.is_runtime_known is is_known
        assert scene.index.queue_of(NAME).free == (8 if is_known else 1)
