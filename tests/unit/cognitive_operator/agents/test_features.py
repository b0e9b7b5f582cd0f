"""The features that an agent's settings or a task need, and the runtimes that lack them."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import Phase, Reason
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.wire import Lease, Mode
from cognitive_operator.plan.agent.features import (
    RECHECK_LEASES_S,
    RETRY_RUNTIME_S,
    RUNTIME_CURRENT,
    Feature,
    JobRuntime,
    RuntimeFacts,
    ended_runtime,
    executor_runtime,
    is_runtime_known,
    job_runtime,
    needed_features,
    newest_job_lease,
    task_features,
    task_runtime,
)
from cognitive_operator.plan.attempt.in_flight import attempt_end
from cognitive_operator.ports.kube import Body
from support.builders import operator_objects as o

SAMPLED = {"temperature": 0.7, "topP": 1.0}
DEMONSTRATION = {"type": "FailureAnalysis", "input": {"error_message": "x"}, "output": {"thought": "y"}}
KEY = "http://ray:8265  "


def agent(*, llm: Body | None = None, **spec: Any) -> Agent:
    """Return an agent with sampling settings, which needs no feature unless a test asks for one."""
    own = {"model": "m", "endpoint": "http://model/v1", **SAMPLED, **(llm or {})}
    return Agent.model_validate(
        o.agent_body(llm={name: value for name, value in own.items() if value is not None}, **spec)
    )


def lease(*features: str, mode: Mode = "Embedded", ready: bool = True, started_at: str = o.NOW) -> Lease:
    return Lease(
        worker="w",
        agent_uid=o.AGENT_UID,
        submission_id="ca-1",
        mode=mode,
        started_at=started_at,
        renewed_at=o.NOW,
        ready=ready,
        capacity=1,
        runtime_version="0.3.0",
        features=features,
    )


def runtime(*features: str, is_assumed: bool = False) -> JobRuntime:
    return JobRuntime(KEY, "0.3.0", frozenset(features), 100.0, is_assumed=is_assumed)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (agent(), set()),
        (agent(llm={"temperature": None}), {"optional_sampling"}),
        (agent(llm={"topP": None}), {"optional_sampling"}),
        (agent(llm={"structuredOutput": "Auto"}), set()),
        (agent(llm={"structuredOutput": "Bounded"}), {"structured_output"}),
        (agent(llm={"reasoning": {}}), {"reasoning"}),
        (agent(llm={"extraBody": {"top_k": 1}}), {"extra_body"}),
        (agent(demonstrations=[DEMONSTRATION]), {"demonstrations"}),
    ],
)
def test_settings_need_the_features_that_honour_them(found: Agent, expected: set[str]) -> None:
    assert needed_features(found) == expected


@pytest.mark.parametrize(
    "leases",
    [
        (),
        (lease("optional_sampling", "reasoning"),),
        (lease("optional_sampling"), lease(ready=False)),
    ],
    ids=["no worker", "all features", "an outdated worker that takes no requests"],
)
def test_workers_with_the_features_are_current(leases: tuple[Lease, ...]) -> None:
    assert executor_runtime(agent(llm={"temperature": None}), "image:2", leases) == RUNTIME_CURRENT


def test_one_outdated_worker_is_enough_because_it_may_take_the_next_request() -> None:
    leases = (lease("optional_sampling"), lease())
    found = executor_runtime(agent(llm={"temperature": None, "topP": None}), "image:2", leases)
    assert (found.type, found.status, found.reason) == ("RuntimeOutdated", "True", "FeatureMissing")
    assert "spec.ray.address" in found.message
    assert "runtime 0.3.0 of executor ca-1" in found.message
    assert "optional_sampling" in found.message
    assert "Install the runtime image" in found.message


@pytest.mark.parametrize(
    ("ray", "expected"),
    [
        (
            {"cluster": {"image": "registry/runtime:1"}},
            ("registry/runtime:1 (spec.ray.cluster.image)", "remove the field"),
        ),
        ({"cluster": {}}, ("image:2 (the operator's default)", "COGNITIVE_RUNTIME_IMAGE")),
        ({"clusterRef": {"name": "shared"}}, ("RayCluster team/shared (spec.ray.clusterRef)", "Install")),
    ],
)
def test_the_image_and_the_remedy_are_named(ray: Body, expected: tuple[str, ...]) -> None:
    message = executor_runtime(agent(llm={"reasoning": {}}, ray=ray), "image:2", (lease(),)).message
    assert [text for text in expected if text not in message] == []


def test_job_mode_waits_only_for_a_runtime_that_is_known_to_lack_a_feature() -> None:
    needy = agent(llm={"reasoning": {}})
    assert job_runtime(needy, "image:2", None) == RUNTIME_CURRENT
    assert job_runtime(needy, "image:2", runtime("reasoning")) == RUNTIME_CURRENT
    assert job_runtime(needy, "image:2", runtime(is_assumed=True)) == RUNTIME_CURRENT
    outdated = job_runtime(needy, "image:2", runtime("extra_body"))
    assert (outdated.is_true, "One task tries every 300 s" in outdated.message) == (True, True)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (None, False),
        (runtime(), True),
        (runtime("reasoning", is_assumed=True), True),
        (runtime("extra_body", is_assumed=True), False),
    ],
)
def test_a_runtime_is_known_by_its_lease_or_by_a_success_with_the_same_needs(
    known: JobRuntime | None, expected: bool
) -> None:
    assert is_runtime_known(agent(llm={"reasoning": {}}), known) is expected
    assert is_runtime_known(agent(), None)


def test_an_outdated_runtime_is_tried_again_after_five_minutes() -> None:
    assert not runtime().is_due(100.0 + RETRY_RUNTIME_S - 1)
    assert runtime().is_due(100.0 + RETRY_RUNTIME_S)


def test_a_success_is_taken_for_the_features_that_it_needed() -> None:
    needy, end = agent(llm={"reasoning": {}}), attempt_end(o.key(), o.completed())
    assert ended_runtime(needy, None, end, KEY, 5.0) == JobRuntime(KEY, "", frozenset({"reasoning"}), 5.0, True)
    seen = runtime("reasoning")
    assert ended_runtime(needy, seen, end, KEY, 5.0) is seen


def test_a_failure_proves_nothing_unless_it_names_an_absent_field() -> None:
    needy = agent(llm={"temperature": None})
    other = attempt_end(o.key(), o.failed())
    assert ended_runtime(needy, None, other, KEY, 5.0) is None
    refusal = o.failed(error_type="InvalidRequest", error="agent.llm.temperature: Field required.", retryable=False)
    found = ended_runtime(needy, None, attempt_end(o.key(), refusal), KEY, 5.0)
    assert found is not None
    assert job_runtime(needy, "image:2", found).is_true


def test_the_newest_lease_of_job_mode_counts() -> None:
    old, new = lease(mode="Job"), lease("reasoning", mode="Job", started_at="2026-11-21T03:00:00.000000Z")
    assert newest_job_lease([new, old, lease(started_at="2026-11-21T09:00:00.000000Z")]) is new
    assert newest_job_lease([lease()]) is None


def test_the_features_are_those_of_the_golden_lease() -> None:
    assert sorted(Feature) == [
        "custom",
        "deliberation",
        "demonstrations",
        "extra_body",
        "optional_sampling",
        "proposal",
        "reasoning",
        "serve",
        "structured_output",
        "tools",
        "warm_slots",
    ]


DELIBERATION = {"members": 3, "selection": {"method": "Agreement"}}


def custom_task() -> Task:
    return Task.model_validate(o.custom_body())


def proposal_task(**spec: Any) -> Task:
    own = {"type": "Proposal", "input": {"task_description": "Speed up the cart."}}
    return Task.model_validate(o.task_body(**own | spec))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Task.model_validate(o.task_body()), set()),
        (custom_task(), {"custom"}),
        (proposal_task(), {"proposal"}),
        (proposal_task(deliberation=DELIBERATION), {"proposal", "deliberation"}),
    ],
)
def test_a_task_needs_the_features_that_execute_it(found: Task, expected: set[str]) -> None:
    assert task_features(found) == expected
    assert found.spec.needs_features == bool(expected)


def facts(*leases: Lease, job: JobRuntime | None = None, mode: Mode = "Embedded", now_s: float = 200.0) -> RuntimeFacts:
    return RuntimeFacts(agent(execution={"mode": mode}), "image:2", leases, job, now_s)


@pytest.mark.parametrize(
    "found",
    [
        facts(),
        facts(lease("custom"), lease(ready=False)),
        facts(job=runtime(), mode="Embedded"),
        facts(lease(mode="Job"), mode="Job"),
        facts(job=runtime("custom"), mode="Job"),
        facts(job=runtime(is_assumed=True), mode="Job"),
        facts(job=runtime(), mode="Job", now_s=100.0 + RETRY_RUNTIME_S),
    ],
    ids=["no worker", "ready ones have it", "another mode", "not known", "job has it", "assumed", "due"],
)
def test_a_task_starts_unless_the_runtime_is_known_to_lack_a_feature(found: RuntimeFacts) -> None:
    assert task_runtime(found, frozenset({"custom"})) is None


@pytest.mark.parametrize(
    ("found", "place"),
    [
        (facts(lease("custom"), lease("reasoning")), "runtime 0.3.0 of executor ca-1"),
        (facts(job=runtime("reasoning"), mode="Job"), "runtime 0.3.0"),
    ],
)
def test_a_task_waits_for_a_runtime_with_its_features(found: RuntimeFacts, place: str) -> None:
    gate = task_runtime(found, frozenset({"custom"}))
    assert gate is not None
    assert (gate.reason, gate.phase, gate.recheck_s) == (Reason.RUNTIME_OUTDATED, Phase.PENDING, RECHECK_LEASES_S)
    assert gate.message == (
        f"The image of the Ray cluster http://ray:8265 (spec.ray.address), {place}, lacks features that this task "
        "needs: custom. The task waits. Install the runtime image of the operator's release on that Ray cluster."
    )
