"""Deployment of an agent's application, by what Ray Serve says of it, and the calls of its handle."""

from dataclasses import dataclass, field

import pytest

from cognitive_runtime.adapters.serve.agent_application import AgentApplication, ServeCalls
from cognitive_runtime.adapters.serve.remote_reasoner import RemoteReasoner
from cognitive_runtime.bootstrap.agent_serving import serve_spec
from cognitive_runtime.domain import (
    ExecutionRequest,
    InternalError,
    ModelBehaviour,
    ModelUnavailable,
    Reasoning,
    ReplicaAnswer,
    Usage,
)
from cognitive_runtime.domain.execution import ApplicationState, ServeProblem, ServeSettings
from cognitive_runtime.domain.serving import ServeConflict, ServeUnavailable
from support.builders.runtime_requests import execution_request


@dataclass
class FakeServe:
    """Ray Serve with scripted states of one application."""

    found: ApplicationState | None = None
    after: ApplicationState | None = None
    """State after a deployment."""
    owners: list[str] = field(default_factory=lambda: ["serve-1"])
    conflict: Exception | None = None
    deployed: int = 0
    deleted: int = 0
    now_s: float = 0.0

    def application(self) -> AgentApplication:
        calls = ServeCalls(lambda: self.found, self._deploy, self._delete, lambda: sorted(self.owners))
        return AgentApplication(calls, serve_spec("a1", ServeSettings()), "serve-1", lambda: self.now_s)

    def _deploy(self) -> None:
        if self.conflict is not None:
            raise self.conflict
        self.deployed += 1
        self.found = self.after

    def _delete(self) -> None:
        self.deleted += 1


def state(status: str, running: int = 0, message: str = "", owner: str = "CognitiveCore-a1") -> ApplicationState:
    return ApplicationState(status, (owner,), running, message)


@pytest.fixture
def fake() -> FakeServe:
    return FakeServe()


def test_an_application_answers_calls_once_one_replica_runs(fake: FakeServe) -> None:
    fake.after = state("DEPLOYING", message="Deploying.")
    kept = fake.application()
    problem = kept.ensure()
    assert problem is not None
    assert (problem.reason, fake.deployed) == ("ServeUnavailable", 1)
    assert "DEPLOYING" in problem.message
    fake.found = state("DEPLOYING", running=1)
    assert kept.ensure() is None
    assert fake.deployed == 1


def test_a_route_or_a_name_of_another_owner_is_a_problem_and_stays_with_its_owner(fake: FakeServe) -> None:
    fake.conflict = ServeConflict("the route /cognitive/team/sre belongs to the Serve application 'x'")
    fake.found = state("RUNNING", running=1, owner="Other")
    kept = fake.application()
    assert kept.ensure() == ServeProblem("RouteTaken", str(fake.conflict))
    assert kept.ensure() == ServeProblem("RouteTaken", str(fake.conflict))
    kept.withdraw()
    assert (fake.deployed, fake.deleted) == (0, 0)
    fake.conflict, fake.after = None, state("RUNNING", running=1)
    assert kept.ensure() is None, "the route is free now"


def test_an_application_that_was_deleted_is_deployed_again_by_the_newest_executor_alone(fake: FakeServe) -> None:
    fake.after = state("RUNNING", running=1)
    kept = fake.application()
    assert kept.ensure() is None
    fake.found, fake.owners = None, ["serve-1", "serve-2"]
    assert kept.ensure() is not None
    assert fake.deployed == 1
    fake.owners = ["serve-0", "serve-1"]
    assert kept.ensure() is None
    assert fake.deployed == 2


def test_a_failed_deployment_is_repeated_with_pauses_and_its_message_stays(fake: FakeServe) -> None:
    fake.after = state("DEPLOY_FAILED", message="serve-token is empty")
    kept = fake.application()
    for now_s, deployed in ((0.0, 1), (29.0, 1), (30.0, 2)):
        fake.now_s = now_s
        problem = kept.ensure()
        assert problem is not None
        assert "serve-token is empty" in problem.message
        assert fake.deployed == deployed
    fake.found = state("DEPLOYING", message="Deploying.")
    problem = kept.ensure()
    assert problem is not None
    assert "serve-token is empty" in problem.message


def test_an_error_of_serve_is_a_problem(fake: FakeServe) -> None:
    fake.conflict = ServeUnavailable("the controller is gone")
    problem = fake.application().ensure()
    assert problem is not None
    assert problem.reason == "ServeUnavailable"
    assert "the controller is gone" in problem.message


@pytest.mark.parametrize(("owners", "deleted"), [(["serve-1"], 1), ([], 1), (["serve-1", "serve-2"], 0)])
def test_the_last_executor_deletes_the_application(fake: FakeServe, owners: list[str], deleted: int) -> None:
    fake.found, fake.owners = state("RUNNING", running=1), owners
    fake.application().withdraw()
    assert fake.deleted == deleted


class Handle:
    """Handle of an application whose answers are scripted."""

    def __init__(self, answer: ReplicaAnswer | Exception) -> None:
        self.answer, self.requests = answer, list[ExecutionRequest]()

    async def call(self, method: str, request: ExecutionRequest) -> ReplicaAnswer:
        assert method == "reason"
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


LEARNT = ModelBehaviour("http://h", "m", frozenset({"temperature"}))


async def test_a_replicas_reasoning_and_what_it_learnt_come_back_and_the_key_stays() -> None:
    reasoning = Reasoning({"proposed_solution": "x"}, "t")
    handle = Handle(ReplicaAnswer(reasoning, learnt=(LEARNT,)))
    remote = RemoteReasoner("cognitive-a1", handle)
    assert remote.learnt() == ()
    assert await remote.reason(execution_request()) == reasoning
    assert remote.learnt() == (LEARNT,)
    assert [each.attempt_key for each in handle.requests] == [""]


async def test_a_replicas_error_keeps_its_class_its_usage_and_what_it_learnt() -> None:
    error = ModelUnavailable("HTTP 503.", usage=Usage(5, 6, 11))
    remote = RemoteReasoner("cognitive-a1", Handle(ReplicaAnswer(error=error, learnt=(LEARNT,))))
    with pytest.raises(ModelUnavailable, match="HTTP 503") as caught:
        await remote.reason(execution_request())
    assert caught.value.usage.total_tokens == 11
    assert remote.learnt() == (LEARNT,)


@pytest.mark.parametrize("answer", [ReplicaAnswer(), ServeUnavailable("there is no such application")])
async def test_a_call_without_an_answer_may_be_retried(answer: ReplicaAnswer | Exception) -> None:
    with pytest.raises(InternalError) as caught:
        await RemoteReasoner("cognitive-a1", Handle(answer)).reason(execution_request())
    assert caught.value.retryable
