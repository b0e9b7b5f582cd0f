"""An agent's application on Ray Serve: deployed by the driver, watched by workers, deleted without an executor."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from cognitive_runtime.adapters.serve.owner import STARTING
from cognitive_runtime.adapters.serve.watch import ORPHANED_AFTER_S, ApplicationWatch, OrphanWatch
from cognitive_runtime.application import PlacedReasoner
from cognitive_runtime.bootstrap.agent_serving import ApplicationReconciler, serve_spec, sharers_of
from cognitive_runtime.bootstrap.executor import run_executor
from cognitive_runtime.bootstrap.exit_codes import JobExit
from cognitive_runtime.bootstrap.placement import application_watch, placed_reasoner
from cognitive_runtime.config import ExecutorSettings, RuntimeSettings
from cognitive_runtime.domain import AgentSettings, LLMSettings, ModelBehaviour, ToolSettings, Workspace
from cognitive_runtime.domain.execution import ActorResources, PublicRoute, ServeProblem, ServeSettings
from support.builders.runtime_requests import execution_request
from support.eventually import eventually_async
from support.fakes.scripted_reasoner import ScriptedReasoner

TAKEN = ServeProblem("RouteTaken", "the route /x belongs to y")
PUBLIC = PublicRoute("/cognitive/team/sre", "serve-token", AgentSettings("QA", LLMSettings("vllm", "m", "http://m")))


@dataclass
class FakeApplication:
    """An application whose problems are scripted; the last one stays."""

    problems: list[ServeProblem | None]
    withdrawn: int = 0
    failure: Exception | None = None

    def ensure(self) -> ServeProblem | None:
        return self.problems.pop(0) if len(self.problems) > 1 else self.problems[0]

    def withdraw(self) -> None:
        self.withdrawn += 1
        if self.failure is not None:
            raise self.failure


@dataclass
class Reported:
    """Problems that the driver has reported to its workers."""

    problems: list[ServeProblem | None] = field(default_factory=list)

    async def __call__(self, problem: ServeProblem | None) -> None:
        self.problems.append(problem)

    async def has(self, count: int) -> bool:
        return len(self.problems) >= count


async def reconciled(make: Callable[[], Any], count: int = 1) -> tuple[ApplicationReconciler, Reported]:
    reported = Reported()
    reconciler = ApplicationReconciler(make, reported, poll_s=0.001, unavailable_poll_s=0.001)
    reconciler.start()
    await eventually_async(lambda: reported.has(count), 5)
    return reconciler, reported


async def test_the_workers_are_told_each_problem_and_the_application_is_deleted_at_the_end() -> None:
    application = FakeApplication([TAKEN, None])
    reconciler, reported = await reconciled(lambda: application, 2)
    await reconciler.end()
    assert reported.problems[:2] == [TAKEN, None]
    assert application.withdrawn == 1


async def test_a_ray_without_serve_is_a_problem_with_its_remedy_and_needs_no_deletion() -> None:
    def fail() -> Any:
        raise ImportError("No module named 'starlette'")

    reconciler, reported = await reconciled(fail)
    await reconciler.end()
    (problem, *_) = reported.problems
    assert problem is not None
    assert problem.reason == "ServeUnavailable"
    assert "No module named 'starlette'" in problem.message
    assert "cognitive-runtime[serve]" in problem.message


async def test_an_unknown_error_is_a_problem_and_the_reconciler_goes_on() -> None:
    calls: list[int] = []

    def make() -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise KeyError("secret text")
        return FakeApplication([None])

    reconciler, reported = await reconciled(make, 2)
    await reconciler.end()
    assert reported.problems[0] == ServeProblem("ServeUnavailable", "KeyError while the application was deployed.")
    assert reported.problems[1] is None


async def test_an_application_that_cannot_be_deleted_does_not_keep_the_executor() -> None:
    application = FakeApplication([None], failure=RuntimeError("the controller is gone"))
    reconciler, _ = await reconciled(lambda: application)
    await reconciler.end()
    assert application.withdrawn == 1


def test_an_application_without_a_route_is_closed_to_the_outside() -> None:
    spec = serve_spec("a1", ServeSettings(replicas=3, max_ongoing_requests=7))
    assert (spec.name, spec.route_prefix, spec.num_replicas) == ("cognitive-a1", None, 3)
    assert (spec.owner, spec.deployment, spec.max_ongoing_requests) == ("a1", "CognitiveCore-a1", 7)
    assert spec.resources["num_cpus"] == 0.1
    assert "memory" not in {name for name, value in spec.resources.items() if value}


def test_a_public_application_has_its_route_and_scales_by_its_settings() -> None:
    settings = ServeSettings(autoscaling=(1, 4, 8), resources=ActorResources(2.0, 512), public=PUBLIC)
    spec = serve_spec("a1", settings)
    assert (spec.route_prefix, spec.num_replicas) == ("/cognitive/team/sre", None)
    assert spec.autoscaling_config == {"min_replicas": 1, "max_replicas": 4, "target_ongoing_requests": 8}
    assert (spec.resources["num_cpus"], spec.resources["memory"]) == (2.0, 512)


@pytest.mark.parametrize(
    ("settings", "sharers"), [(None, 2), (ServeSettings(replicas=3), 5), (ServeSettings(autoscaling=(1, 4, 8)), 6)]
)
def test_workers_and_replicas_share_the_limits(settings: ServeSettings | None, sharers: int) -> None:
    assert sharers_of(ExecutorSettings("team", "a1", workers=2), settings) == sharers


def test_resources_are_options_of_an_actor() -> None:
    assert ActorResources().options() == {"num_cpus": 0.1}
    assert ActorResources(0.0, 1024).options() == {"num_cpus": 0.0, "memory": 1024}


class Owner:
    """An owner actor of this process."""

    def __init__(self, *answers: ServeProblem | Exception | None) -> None:
        self.answers = list(answers)
        self.problem = self

    async def remote(self) -> ServeProblem | None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_worker_learns_each_change_of_the_problem() -> None:
    owner, seen = Owner(STARTING, TAKEN, TAKEN, None), list[ServeProblem | None]()
    watch = ApplicationWatch(lambda: owner, interval_s=0.001)
    assert watch.problem == STARTING
    running = asyncio.create_task(watch.run(lambda: seen.append(watch.problem)))
    await eventually_async(lambda: _is_none(watch), 5)
    running.cancel()
    assert seen == [TAKEN, None]


@pytest.mark.parametrize("cause", [ValueError("no such actor"), RuntimeError("GCS"), ConnectionError("GCS")])
async def test_a_worker_whose_driver_is_gone_is_not_ready(cause: Exception) -> None:
    def gone() -> Any:
        raise cause

    watch = ApplicationWatch(gone, interval_s=0.001)
    changed = asyncio.Event()
    running = asyncio.create_task(watch.run(changed.set))
    await asyncio.wait_for(changed.wait(), 5)
    running.cancel()
    assert watch.problem is not None
    assert watch.problem.reason == "ServeUnavailable"
    assert "driver" in watch.problem.message


async def _is_none(watch: ApplicationWatch) -> bool:
    return watch.problem is None


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_an_application_is_deleted_once_no_executor_has_lived_for_long_enough() -> None:
    clock, owners, deleted = Clock(), ["serve-1"], list[int]()
    watch = OrphanWatch(lambda: list(owners), lambda: deleted.append(1), clock)
    assert not watch.check()
    owners.clear()
    clock.now_s += ORPHANED_AFTER_S - 1
    assert not watch.check()
    owners.append("serve-2")
    assert not watch.check(), "another executor has started"
    owners.clear()
    clock.now_s += ORPHANED_AFTER_S - 1
    assert not watch.check()
    assert deleted == []
    clock.now_s += 1
    assert watch.check()
    assert deleted == [1]


def test_owners_that_cannot_be_read_delete_nothing() -> None:
    def fail() -> list[str]:
        raise RuntimeError("the cluster is away")

    clock, deleted = Clock(), list[int]()
    watch = OrphanWatch(fail, lambda: deleted.append(1), clock)
    clock.now_s += 10 * ORPHANED_AFTER_S
    assert not watch.check()
    assert deleted == []


async def test_each_request_is_reasoned_about_at_its_place() -> None:
    local, remote = ScriptedReasoner(), ScriptedReasoner()
    placed = PlacedReasoner(local, remote)
    await placed.reason(execution_request(endpoint="http://m"))
    await placed.reason(execution_request(endpoint="http://m", placement="Serve"))
    assert (local.executions.total(), remote.executions.total()) == (1, 1)
    await placed.reason(execution_request(endpoint="http://m", placement="Serve"))
    assert (local.executions.total(), remote.executions.total()) == (1, 2)
    tools = ToolSettings(workspace=Workspace("EmptyDir"))
    await placed.reason(execution_request(endpoint="http://m", placement="Serve", tools=tools))
    assert (local.executions.total(), remote.executions.total()) == (2, 2)


def test_of_two_findings_about_a_model_the_later_one_counts() -> None:
    old = ModelBehaviour("http://h", "m", frozenset({"a"}), learnt_at_s=1.0)
    new = ModelBehaviour("http://h", "m", frozenset({"b"}), learnt_at_s=2.0)
    other = ModelBehaviour("http://h", "other", frozenset({"c"}))
    placed = PlacedReasoner(ScriptedReasoner(behaviour=(new, other)), ScriptedReasoner(behaviour=(old,)))
    assert set(placed.learnt()) == {new, other}


def test_a_worker_without_an_application_has_neither_watch_nor_placement() -> None:
    local = ScriptedReasoner()
    assert placed_reasoner(local, None) is local
    assert application_watch("a1", None) is None


def test_an_executor_with_invalid_settings_ends_before_it_joins_ray(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("COGNITIVE_EXECUTION", '{"serve": {"replicas": 0}}')
    settings = RuntimeSettings("nats://127.0.0.1:1", "ca-1")
    assert run_executor(settings, ExecutorSettings("team", "a1")) is JobExit.BAD_CONFIGURATION
    assert "COGNITIVE_EXECUTION: serve.replicas" in caplog.text
