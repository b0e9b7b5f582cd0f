"""Attempts that fail open their agent's circuit breaker, and one that succeeds closes it again."""

from dataclasses import replace

import pytest

from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.wire import Completed, Failed
from cognitive_operator.plan.agent.model.circuit_breaker import OpenCircuit
from cognitive_operator.plan.agent.model.failure_row import NO_FAILURES, FailureRow
from support.builders import operator_objects as o
from support.fakes.feedback_scene import NAME, OTHER_UID, Scene, step

REFUSED = o.failed(error_type="CredentialsRefused", retryable=False, endpoint=None)
REFUSING = OpenCircuit(Reason.CREDENTIALS_REFUSED, "refused", trial_at_s=100.0)


def test_the_first_refusal_opens_the_circuit_at_once() -> None:
    scene = Scene()
    circuit = scene.end(REFUSED)
    assert circuit is not None
    blocker = scene.agent.blocker
    assert blocker is not None
    assert (blocker.reason, "(CredentialsRefused)" in blocker.message) == ("AgentNotReady", True)
    assert scene.index.queue_of(NAME).dispatch.is_blocked
    assert (sorted(scene.tasks), scene.agents) == ([o.TASK_UID, OTHER_UID], [NAME])


def test_refusals_of_attempts_in_flight_change_nothing() -> None:
    scene = Scene()
    first = scene.end(REFUSED)
    scene.clock.advance(5.0)
    assert scene.end(REFUSED) == first
    assert scene.end(o.completed()) == first


def test_an_attempt_with_former_settings_opens_no_circuit() -> None:
    scene = Scene()
    scene.index.update_agent(scene.agent, model_since_s=99.0)
    assert scene.end(REFUSED, since_s=98.0) is None
    assert scene.end(REFUSED, since_s=99.5) is not None


@pytest.mark.parametrize(
    ("response", "trial_at_s"),
    [(o.completed(), None), (REFUSED, 160.0), (o.failed(), 130.0)],
    ids=["success", "refused again", "another failure"],
)
def test_the_end_of_the_task_that_tries_decides(response: Completed | Failed, trial_at_s: float | None) -> None:
    scene = Scene()
    scene.index.update_agent(scene.agent, open_circuit=REFUSING.half_open(o.TASK_UID))
    circuit = scene.end(response)
    assert (circuit and circuit.trial_at_s) == trial_at_s
    assert scene.agents == [NAME]


async def test_one_task_alone_starts_while_an_open_circuit_lets_one_try() -> None:
    scene = Scene()
    scene.end(REFUSED)
    await step(scene.reconciler, o.TASK_UID)
    assert scene.published == []
    trial = replace(scene.index.queue_of(NAME).dispatch, is_trial=True)
    scene.index.set_dispatch(scene.agent, scene.agent.blocker, trial)
    await step(scene.reconciler, OTHER_UID)
    await step(scene.reconciler, o.TASK_UID)
    await step(scene.reconciler, OTHER_UID)
    assert scene.published == [o.TASK_UID]
    circuit = scene.agent.open_circuit
    assert circuit is not None
    assert circuit.trial == o.TASK_UID


UNAVAILABLE = o.failed(error_type="ModelUnavailable", error="HTTP 503.")
ROW = FailureRow(tuple(o.key(n)._replace(task_uid=uid) for n, uid in enumerate([OTHER_UID, OTHER_UID, "gone", "gone"])))
FAILING = OpenCircuit(Reason.INFERENCE_FAILING, "fails", trial_at_s=130.0)


def test_the_last_failure_of_a_row_opens_the_circuit_and_gives_the_tasks_their_retries_back() -> None:
    scene = Scene()
    scene.index.update_agent(scene.agent, failures=ROW)
    circuit = scene.end(UNAVAILABLE)
    assert circuit is not None
    assert circuit.reason == "InferenceFailing"
    assert scene.index.queue_of(NAME).dispatch.is_blocked
    tasks = scene.index.tasks
    assert (set(tasks[OTHER_UID].forgiven), set(tasks[o.TASK_UID].forgiven)) == ({0, 1}, {1})
    assert (set(tasks[OTHER_UID].outages), scene.agent.failures, scene.agent.outages) == ({1}, NO_FAILURES, 1)


def test_a_success_between_failures_ends_the_row() -> None:
    scene = Scene()
    scene.index.update_agent(scene.agent, failures=ROW)
    assert scene.end(o.completed()) is None
    assert scene.end(UNAVAILABLE) is None
    assert len(scene.agent.failures.keys) == 1


def test_an_attempt_with_a_former_model_belongs_to_no_row() -> None:
    scene = Scene()
    scene.index.update_agent(scene.agent, failures=ROW, model_since_s=99.0)
    assert scene.end(UNAVAILABLE, since_s=98.0) is None
    assert scene.agent.failures == ROW


def test_a_task_that_met_three_outages_makes_no_fourth() -> None:
    scene = Scene()
    scene.index.update_agent(scene.agent, failures=ROW)
    scene.index.update_task(o.TASK_UID, outages=frozenset({1, 2, 3}))
    assert scene.end(UNAVAILABLE) is None
    assert scene.agent.failures == ROW


def test_an_attempt_in_flight_that_meets_the_outage_changes_no_circuit_and_uses_up_no_retry() -> None:
    scene = Scene()
    scene.index.update_agent(scene.agent, open_circuit=FAILING, outages=4)
    assert scene.end(UNAVAILABLE) == FAILING
    task = scene.index.tasks[o.TASK_UID]
    assert (set(task.forgiven), set(task.outages)) == ({1}, {4})


def test_an_answer_to_an_attempt_in_flight_ends_an_outage() -> None:
    scene = Scene()
    scene.index.update_agent(scene.agent, open_circuit=FAILING, model_since_s=99.0)
    assert scene.end(o.completed(), since_s=98.0) == FAILING, "of a former model"
    assert scene.end(o.completed(cache_hit=True)) == FAILING
    assert scene.end(o.completed()) is None


def cut_off(scene: Scene, reason: str = "CredentialsNotMounted", since_s: float = 100.0) -> None:
    scene.end(o.failed(error_type=reason, error="a1/llm-api-key is empty."), since_s)


@pytest.mark.parametrize("reason", ["CredentialsNotMounted", "BrokerUnreachable"])
def test_an_attempt_in_job_mode_that_lacks_credentials_or_broker_blocks_the_queue_at_once(reason: str) -> None:
    scene = Scene("Job")
    cut_off(scene, reason)
    assert (scene.agent.credentials.status, scene.agent.credentials.reason) == ("False", reason)
    assert scene.agent.credentials.message.startswith("a1/llm-api-key is empty. Mount the agent's files at ")
    assert scene.agent.blocker is not None
    assert f"({reason})" in scene.agent.blocker.message
    assert scene.index.queue_of(NAME).dispatch.is_blocked
    assert scene.agents == [NAME]


def test_an_embedded_agent_reports_its_credentials_by_its_leases() -> None:
    scene = Scene()
    cut_off(scene)
    assert (scene.agent.blocker, scene.agent.credentials.status) == (None, "Unknown")


def test_attempts_that_ran_at_the_same_time_count_as_one_failure() -> None:
    scene = Scene("Job")
    cut_off(scene)
    scene.clock.advance(5.0)
    cut_off(scene, since_s=100.5)
    assert scene.agent.credentials_failures == 2
    scene.clock.advance(5.0)
    cut_off(scene, since_s=101.0)  # published before the failure at 105 s was known
    assert scene.agent.credentials_failures == 2
    scene.end(o.completed())
    assert (scene.agent.credentials_failures, scene.agent.credentials.status) == (0, "True")
