"""Attempts tell about their agent's runtime and the behaviour of its models."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from cognitive_operator.api.wire import Claim, Completed, Failed
from cognitive_operator.plan.agent.features import JobRuntime
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.reconcile.task.reconciler import TaskReconciler
from support.builders import operator_objects as o
from support.fakes.feedback_scene import NAME, Scene, step

LEARNT = {"endpoint": "http://model/v1", "model": "m", "refused": ["top_p"], "learnt_at": 1795226400.0}
OLD = o.failed(error_type="InvalidRequest", error="agent.llm.temperature: Field required.", retryable=False)


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
