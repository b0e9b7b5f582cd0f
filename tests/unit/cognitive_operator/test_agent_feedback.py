"""The effect of attempts on their agent: holds, the task that tries, learnt behaviour, the runtime of Job mode."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.names import AttemptKey, ObjectName
from cognitive_operator.api.wire import Claim, Completed, Failed, Mode
from cognitive_operator.errors import ConflictError
from cognitive_operator.plan.failure_row import NO_FAILURES, FailureRow
from cognitive_operator.plan.features import JobRuntime
from cognitive_operator.plan.hold import Hold
from cognitive_operator.plan.in_flight import InFlightAttempt, attempt_end
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.task.feedback import AgentFeedback
from cognitive_operator.reconcile.task.reconciler import TaskReconciler
from cognitive_operator.reconcile.task.waiting_status import WaitingStatus
from cognitive_operator.scheduling.status_pace import StatusPace
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock

NAME = ("team", "sre")
REFUSED = o.failed(error_type="CredentialsRefused", retryable=False, endpoint=None)
HOLD = Hold(Reason.CREDENTIALS_REFUSED, "refused", trial_at_s=100.0)
OTHER_UID = "33333333-3333-3333-3333-333333333333"
LEARNT = {"endpoint": "http://model/v1", "model": "m", "refused": ["top_p"], "learnt_at": 1795226400.0}
OLD = o.failed(error_type="InvalidRequest", error="agent.llm.temperature: Field required.", retryable=False)


class Scene:
    """An agent with two waiting tasks, of which one has an attempt in flight if a test publishes it."""

    def __init__(self, mode: Mode = "Embedded", **spec: Any) -> None:
        self.index, self.clock = Index(), FakeClock(100.0)
        self.tasks, self.agents, self.published = list[str](), list[ObjectName](), list[str]()
        intake: Any = SimpleNamespace(enqueue=self.tasks.extend, enqueue_agent=self.agents.append)
        server: Any = SimpleNamespace(server_time=lambda: None)
        self.clocks = Clocks(self.clock, server)
        self.feedback = AgentFeedback(self.index, intake, self.clocks)
        self.index.upsert_agent(o.agent_body(execution={"mode": mode}, **spec))
        for uid, name in ((o.TASK_UID, "why"), (OTHER_UID, "why-too")):
            body = o.task_body()
            body["metadata"] |= {"uid": uid, "name": name}
            self.index.upsert_task(body, 0.0)
        self.index.complete()
        for uid in (o.TASK_UID, OTHER_UID):
            self.index.line_up(uid, is_accepted=True)
        self.index.queue_of(NAME).capacity = 8
        self.index.block(self.agent, None)
        self.reconciler = self._new_reconciler(intake)

    def _new_reconciler(self, intake: Any) -> TaskReconciler:
        waiting = WaitingStatus(intake.enqueue, self.clock, StatusPace())
        steps: Any = SimpleNamespace(gates=self, requests=self, feedback=self.feedback, status=self, waiting=waiting)
        synced = asyncio.Event()
        synced.set()
        return TaskReconciler(steps, self.index, intake, self.clocks, synced)

    async def check(self, record: Any) -> None:
        """Gates are open."""

    async def publish(self, record: Any, task: Any, agent: Any, key: AttemptKey) -> bool:
        self.published.append(key.task_uid)
        return True

    async def write(self, *args: Any) -> bool:
        """Write nothing: the task has changed meanwhile."""
        return False

    @property
    def agent(self) -> AgentRecord:
        return self.index.agents[NAME]

    def end(
        self,
        response: Completed | Failed,
        since_s: float = 100.0,
        *,
        runtime_key: str | None = None,
        agent_uid: str = o.AGENT_UID,
    ) -> Hold | None:
        """Report the end of the first task's attempt, published at ``since_s``; return the hold after it."""
        mode: Mode = self.agent.agent.spec.execution.wire_mode
        key = o.key()._replace(agent_uid=agent_uid)
        attempt = InFlightAttempt(key, mode, since_s, runtime_key=runtime_key)
        record = self.index.update_task(o.TASK_UID, attempt=attempt)
        assert record is not None
        end = attempt_end(key, response.model_copy(update={"mode": mode}), 7)
        self.feedback.report(record, end)
        self.index.update_task(o.TASK_UID, attempt=None)
        return self.agent.hold


def test_the_first_refusal_holds_the_queue_at_once() -> None:
    scene = Scene()
    hold = scene.end(REFUSED)
    assert hold is not None
    blocker = scene.agent.blocker
    assert blocker is not None
    assert (blocker.reason, "(CredentialsRefused)" in blocker.message) == ("AgentNotReady", True)
    assert not scene.index.queue_of(NAME).is_open
    assert (sorted(scene.tasks), scene.agents) == ([o.TASK_UID, OTHER_UID], [NAME])


def test_refusals_of_attempts_in_flight_change_nothing() -> None:
    scene = Scene()
    first = scene.end(REFUSED)
    scene.clock.advance(5.0)
    assert scene.end(REFUSED) == first
    assert scene.end(o.completed()) == first


def test_an_attempt_with_former_settings_holds_nothing() -> None:
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
    scene.index.update_agent(scene.agent, hold=HOLD.tried_by(o.TASK_UID))
    hold = scene.end(response)
    assert (hold and hold.trial_at_s) == trial_at_s
    assert scene.agents == [NAME]


async def step(reconciler: TaskReconciler, uid: str) -> None:
    """Reconcile a task, whose status is not written: it has changed meanwhile."""
    with suppress(ConflictError):
        await reconciler.reconcile(uid)


async def test_one_task_alone_starts_while_a_hold_lets_one_try() -> None:
    scene = Scene()
    scene.end(REFUSED)
    await step(scene.reconciler, o.TASK_UID)
    assert scene.published == []
    scene.index.queue_of(NAME).is_trial = True
    await step(scene.reconciler, OTHER_UID)
    await step(scene.reconciler, o.TASK_UID)
    await step(scene.reconciler, OTHER_UID)
    assert scene.published == [o.TASK_UID]
    hold = scene.agent.hold
    assert hold is not None
    assert hold.trial == o.TASK_UID


UNAVAILABLE = o.failed(error_type="ModelUnavailable", error="HTTP 503.")
ROW = FailureRow(tuple(o.key(n)._replace(task_uid=uid) for n, uid in enumerate([OTHER_UID, OTHER_UID, "gone", "gone"])))
FAILING = Hold(Reason.INFERENCE_FAILING, "fails", trial_at_s=130.0)


def test_the_last_failure_of_a_row_holds_the_queue_and_gives_the_tasks_their_retries_back() -> None:
    scene = Scene()
    scene.index.update_agent(scene.agent, failures=ROW)
    hold = scene.end(UNAVAILABLE)
    assert hold is not None
    assert hold.reason == "InferenceFailing"
    assert not scene.index.queue_of(NAME).is_open
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


def test_an_attempt_in_flight_that_meets_the_outage_changes_no_hold_and_uses_up_no_retry() -> None:
    scene = Scene()
    scene.index.update_agent(scene.agent, hold=FAILING, outages=4)
    assert scene.end(UNAVAILABLE) == FAILING
    task = scene.index.tasks[o.TASK_UID]
    assert (set(task.forgiven), set(task.outages)) == ({1}, {4})


def test_an_answer_to_an_attempt_in_flight_ends_an_outage() -> None:
    scene = Scene()
    scene.index.update_agent(scene.agent, hold=FAILING, model_since_s=99.0)
    assert scene.end(o.completed(), since_s=98.0) == FAILING, "of a former model"
    assert scene.end(o.completed(cache_hit=True)) == FAILING
    assert scene.end(o.completed()) is None


def test_learnt_behaviour_is_kept_and_only_news_is_told() -> None:
    scene = Scene()
    scene.end(o.completed(learnt=[LEARNT]))
    assert [each.refused for each in scene.agent.learnt] == [("top_p",)]
    assert scene.agents == [NAME]
    scene.end(o.completed(learnt=[LEARNT]))
    assert scene.agents == [NAME]


def test_behaviour_is_not_learnt_before_a_change_of_the_model_is_dated() -> None:
    scene = Scene()
    scene.index.update_agent(scene.agent, model_since_s=float("inf"))
    scene.end(o.failed(learnt=[LEARNT]))
    assert scene.agent.learnt == ()


def test_a_claim_in_job_mode_has_the_lease_read_while_the_runtime_is_not_known() -> None:
    scene = Scene("Job")
    scene.feedback.report_claim(scene.index.tasks[o.TASK_UID])
    assert scene.agents == [NAME]
    key = scene.agent.runtime_key
    scene.index.update_agent(scene.agent, runtime=JobRuntime(key, "1", frozenset(), 100.0))
    scene.feedback.report_claim(scene.index.tasks[o.TASK_UID])
    assert scene.agents == [NAME]


def test_a_success_in_job_mode_makes_the_runtime_known() -> None:
    scene = Scene("Job")
    scene.end(o.completed())
    runtime = scene.agent.present_runtime
    assert runtime is not None
    assert (runtime.features, runtime.is_assumed) == (frozenset({"optional_sampling"}), True)
    assert scene.agents == [NAME]


def test_a_refusal_of_absent_settings_makes_the_runtime_outdated() -> None:
    scene = Scene("Job")
    scene.end(OLD)
    runtime = scene.agent.present_runtime
    assert runtime is not None
    assert (runtime.features, runtime.is_assumed) == (frozenset(), False)


def test_another_image_or_cluster_makes_the_runtime_unknown() -> None:
    scene = Scene("Job")
    scene.end(o.completed())
    scene.index.update_agent(scene.agent, ray=replace(scene.agent.ray, life="another head"))
    assert scene.agent.present_runtime is None


@pytest.mark.parametrize("response", [OLD, o.completed()])
def test_an_attempt_on_a_former_image_says_nothing_about_the_present_one(response: Completed | Failed) -> None:
    scene = Scene("Job")
    scene.end(response, runtime_key="another image")
    assert scene.agent.present_runtime is None
    scene.end(response, runtime_key=scene.agent.runtime_key)
    assert scene.agent.present_runtime is not None


@pytest.mark.parametrize("error_type", ["RuntimeOutdated", "CredentialsNotMounted", "CredentialsRefused"])
def test_an_attempt_of_a_former_agent_says_nothing_about_its_successor(error_type: str) -> None:
    scene = Scene("Job")
    response = OLD if error_type == "RuntimeOutdated" else o.failed(error_type=error_type)
    before = scene.agent
    scene.end(response, agent_uid="44444444-4444-4444-4444-444444444444")
    assert scene.agent == before


async def test_the_runtime_of_an_attempt_is_remembered_from_its_publication() -> None:
    scene = Scene()
    await step(scene.reconciler, o.TASK_UID)
    attempt = scene.index.tasks[o.TASK_UID].attempt
    assert attempt is not None
    assert attempt.runtime_key == scene.agent.runtime_key


async def test_a_claim_that_is_first_seen_is_reported() -> None:
    scene = Scene("Job")
    scene.index.adopt(o.TASK_UID, InFlightAttempt(o.key(), "Job", 90.0))

    async def advance(uid: str) -> None:
        claim: Claim = o.claim()
        scene.index.update_task(uid, attempt=InFlightAttempt(o.key(), "Job", 90.0).with_claim(claim, 100.0))

    async def write(*args: Any) -> bool:
        return False

    steps: Any = SimpleNamespace(
        gates=scene,
        feedback=scene.feedback,
        attempts=SimpleNamespace(advance=advance),
        status=SimpleNamespace(write=write),
        waiting=SimpleNamespace(known=set()),
    )
    synced = asyncio.Event()
    synced.set()
    intake: Any = SimpleNamespace(enqueue=scene.tasks.extend)
    await step(TaskReconciler(steps, scene.index, intake, scene.clocks, synced), o.TASK_UID)
    assert scene.agents == [NAME]


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
    assert not scene.index.queue_of(NAME).is_open
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
