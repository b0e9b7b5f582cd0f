"""An agent's conditions, from what was observed."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire import Lease
from cognitive_operator.plan.agent.conditions import (
    CREDENTIALS_NOT_CHECKED,
    NO_EXECUTOR,
    AgentFacts,
    ObservedExecutor,
    agent_conditions,
    check_energy,
    check_model,
    dispatch_blocker,
    has_moved,
    is_starting,
    ready_event,
)
from cognitive_operator.plan.agent.trial import may_try
from cognitive_operator.ports.kube import KubeEvent
from support.builders import operator_objects as o

BROKER_READY = Condition.true(AgentCondition.READY, Reason.AVAILABLE, "fine")
RAY_READY = BROKER_READY.with_type(AgentCondition.RAY_READY)
MODEL_READY = BROKER_READY.with_type(AgentCondition.MODEL_READY)
BAD_RAY = Condition.false(AgentCondition.RAY_READY, Reason.RAY_UNREACHABLE, "gone")


def lease(*, ready: bool = True, reason: str | None = None, message: str | None = None) -> Lease:
    times = {"started_at": o.NOW, "renewed_at": o.NOW}
    return Lease(
        worker="w",
        agent_uid=o.AGENT_UID,
        submission_id="ca-1",
        mode="Embedded",
        ready=ready,
        reason=reason,
        message=message,
        capacity=8,
        runtime_version="0",
        **times,
    )


def facts(**fields: Any) -> AgentFacts:
    spec = fields.pop("spec", {})
    defaults: dict[str, Any] = {
        "agent": Agent.model_validate(o.agent_body(**spec)),
        "broker": BROKER_READY,
        "ray": RAY_READY,
        "model": MODEL_READY,
        "executor": ObservedExecutor("ca-1", None, (lease(),)),
        "credentials": CREDENTIALS_NOT_CHECKED,
    }
    return AgentFacts(**defaults | fields)


def conditions(**fields: Any) -> dict[str, tuple[str, str]]:
    return {v.type: (v.status, v.reason) for v in agent_conditions(facts(**fields))}


def test_an_agent_with_all_it_needs_is_ready() -> None:
    seen = conditions()
    assert seen.pop("RuntimeOutdated") == ("False", "Available")
    assert set(seen.values()) == {("True", "Available")}
    assert dispatch_blocker(agent_conditions(facts()), facts().agent) is None


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"broker": Condition.false(AgentCondition.READY, Reason.BROKER_UNREACHABLE, "x")}, "BrokerUnreachable"),
        ({"ray": Condition.false(AgentCondition.RAY_READY, Reason.RAY_UNREACHABLE, "x")}, "RayUnreachable"),
        ({"model": Condition.false(AgentCondition.MODEL_READY, Reason.MODEL_UNREACHABLE, "x")}, "ModelUnreachable"),
        ({"executor": ObservedExecutor("ca-1", None, ())}, "ExecutorStarting"),
        ({"executor": ObservedExecutor(None, "out of memory", ())}, "ExecutorFailed"),
        (
            {"executor": ObservedExecutor("ca-1", None, (lease(ready=False, reason="CredentialsNotMounted"),))},
            "CredentialsNotMounted",
        ),
    ],
)
def test_ready_names_the_first_thing_that_is_wrong(broken: dict[str, Any], reason: str) -> None:
    seen = agent_conditions(facts(**broken))
    assert (seen[0].status, seen[0].reason) == ("False", reason)
    blocker = dispatch_blocker(seen, facts().agent)
    assert blocker is not None
    assert "team/sre" in blocker.message
    assert reason in blocker.message


OUTDATED = Condition.true(AgentCondition.RUNTIME_OUTDATED, Reason.FEATURE_MISSING, "image:1 lacks reasoning.")
OPEN_CIRCUIT = Condition.false(AgentCondition.MODEL_READY, Reason.CREDENTIALS_REFUSED, "correct the Secret")


def test_an_outdated_runtime_keeps_the_tasks_waiting_by_its_name() -> None:
    seen = agent_conditions(facts(runtime=OUTDATED))
    assert (seen[0].status, seen[0].reason) == ("False", "RuntimeOutdated")
    assert seen[-1] == OUTDATED
    blocker = dispatch_blocker(seen, facts().agent)
    assert blocker is not None
    assert (blocker.reason, blocker.message) == ("RuntimeOutdated", "CognitiveAgent team/sre: image:1 lacks reasoning.")


def test_an_open_circuit_makes_a_model_that_answers_the_check_not_ready() -> None:
    assert conditions(open_circuit=OPEN_CIRCUIT)["ModelReady"] == ("False", "CredentialsRefused")
    down = Condition.false(AgentCondition.MODEL_READY, Reason.MODEL_UNREACHABLE, "gone")
    assert conditions(open_circuit=OPEN_CIRCUIT, model=down)["ModelReady"] == ("False", "ModelUnreachable")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"open_circuit": OPEN_CIRCUIT, "is_trial_due": True}, True),
        ({"runtime": OUTDATED, "is_trial_due": True}, True),
        ({"open_circuit": OPEN_CIRCUIT}, False),
        ({"open_circuit": OPEN_CIRCUIT, "is_trial_due": True, "ray": BAD_RAY, "executor": NO_EXECUTOR}, False),
        ({"open_circuit": OPEN_CIRCUIT, "is_trial_due": True, "spec": {"suspend": True}}, False),
    ],
)
def test_one_task_may_try_only_where_nothing_else_keeps_the_queue_closed(found: dict[str, Any], expected: bool) -> None:
    assert may_try(facts(**found)) is expected


def test_settings_that_are_too_large_keep_the_agent_from_being_ready() -> None:
    llm = {"model": "m", "endpoint": "http://m/v1", "extraBody": {"a": "x" * 20_000}}
    assert conditions(spec={"llm": llm})["Ready"] == ("False", "SettingsTooLarge")


def test_the_executor_is_unknown_while_ray_cannot_be_asked() -> None:
    seen = conditions(
        ray=Condition.false(AgentCondition.RAY_READY, Reason.RAY_UNREACHABLE, "x"),
        executor=ObservedExecutor(None, None, ()),
    )
    assert seen["ExecutorReady"] == ("Unknown", "RayUnreachable")


def test_a_worker_that_works_outlives_a_dashboard_that_does_not_answer() -> None:
    seen = conditions(ray=BAD_RAY)
    assert seen["ExecutorReady"] == ("True", "Available")


def test_job_mode_needs_no_worker() -> None:
    seen = conditions(spec={"execution": {"mode": "Job"}}, executor=ObservedExecutor(None, None, ()))
    assert seen["ExecutorReady"] == ("True", "JobPerAttempt")
    assert seen["Ready"] == ("True", "Available")


def test_job_mode_tells_of_missing_credentials() -> None:
    missing = Condition.false(AgentCondition.EXECUTOR_READY, Reason.CREDENTIALS_NOT_MOUNTED, "no file")
    seen = conditions(spec={"execution": {"mode": "Job"}}, credentials=missing)
    assert seen["Ready"] == ("False", "CredentialsNotMounted")


def test_a_vllm_server_that_does_not_serve_the_model_is_named() -> None:
    llm = {"provider": "vllm", "model": "a", "endpoint": "http://v/v1"}
    agent = Agent.model_validate(o.agent_body(llm=llm))
    check = check_model(agent, True, "Available", "ok", ["b"])
    assert (check.status, check.reason) == ("False", "ModelNotServed")
    assert check.message == "http://v/v1 does not serve spec.llm.model 'a'; it serves b."
    assert check_model(agent, True, "Available", "ok", ["a"]).status == "True"


def test_other_servers_may_know_aliases() -> None:
    agent = Agent.model_validate(o.agent_body())
    assert check_model(agent, True, "Available", "ok", ["gpt-something"]).status == "True"


def test_a_public_provider_may_know_an_alias_but_says_what_it_does_not_list() -> None:
    llm = {"provider": "google", "model": "gemini-flash"}
    agent = Agent.model_validate(o.agent_body(llm=llm))
    assert check_model(agent, True, "Available", "ok", ["models/gemini-flash"]).message == "ok"
    check = check_model(agent, True, "Available", "lists 1 model", ["models/gemini-pro"])
    assert (check.status, "'gemini-flash' is not listed; ignore this if it is an alias" in check.message) == (
        "True",
        True,
    )


def test_a_model_server_that_cannot_be_reached_is_told_with_what_to_do() -> None:
    agent = Agent.model_validate(o.agent_body())
    check = check_model(agent, False, "ModelUnreachable", "http://model: no connection", [])
    assert check.message == (
        "http://model: no connection. Check that server and the network from the operator to it, or change spec.llm."
    )


def test_an_agent_without_energy_is_not_ready_whatever_else_is_wrong() -> None:
    bounded = {"spec": {"energy": {"budget": 2.5}}, "ray": BAD_RAY}
    assert conditions(**bounded, spent_energy=2.4)["Ready"] == ("False", "RayUnreachable")
    assert conditions(**bounded, spent_energy=2.5)["Ready"] == ("False", "EnergyExhausted")
    assert conditions(spent_energy=1e9)["Ready"] == ("True", "Available")


@pytest.mark.parametrize(
    ("budget", "message"), [(None, "No energy budget is set."), (2.5, "The energy budget is not used up.")]
)
def test_energy_that_is_left_differs_from_energy_without_a_limit(budget: float | None, message: str) -> None:
    check = check_energy(Agent.model_validate(o.agent_body(energy={"budget": budget})), 1.0)
    assert (check.status, check.message) == ("True", message)


def test_tasks_of_an_agent_without_energy_wait_for_that_reason() -> None:
    exhausted = facts(spec={"energy": {"budget": 2.5}}, spent_energy=3)
    blocker = dispatch_blocker(agent_conditions(exhausted), exhausted.agent)
    assert blocker is not None
    assert blocker.reason == "EnergyExhausted"
    assert blocker.message.startswith("CognitiveAgent team/sre: The agent has used 3 of spec.energy.budget 2.5; ")


@pytest.mark.parametrize(
    ("running", "submission", "is_ready", "expected"),
    [
        (0, "ca-1", False, True),
        (1, "ca-1", True, True),
        (1, "ca-1", False, False),
        (1, "ca-0", True, False),
    ],
    ids=["idle", "all on the current executor", "no ready worker", "one on the former executor"],
)
def test_an_agent_has_moved_once_nothing_runs_elsewhere(
    running: int, submission: str, is_ready: bool, expected: bool
) -> None:
    executor = ObservedExecutor("ca-1", None, (lease(ready=is_ready).model_copy(update={"submission_id": submission}),))
    assert has_moved(RAY_READY, executor, running) is expected


def test_an_idle_agent_has_not_moved_to_a_cluster_that_does_not_answer() -> None:
    assert not has_moved(BAD_RAY, NO_EXECUTOR, 0)


def test_an_event_tells_of_a_new_status_or_reason_and_of_nothing_that_passes_by_itself() -> None:
    unready = Condition.false(AgentCondition.READY, Reason.RAY_UNREACHABLE, "gone")
    assert ready_event([], unready) == KubeEvent("Warning", "RayUnreachable", "gone")
    same = [{"type": "Ready", "status": "False", "reason": "RayUnreachable"}]
    assert ready_event(same, unready) is None
    assert ready_event(same, BROKER_READY) == KubeEvent("Normal", "Available", "fine")
    assert ready_event(same, Condition.false(AgentCondition.READY, Reason.RAY_STARTING, "soon")) is None
    assert is_starting([RAY_READY, Condition.false(AgentCondition.READY, Reason.RAY_STARTING, "soon")])
    assert not is_starting([RAY_READY, unready])


def test_the_tools_are_a_condition_of_their_own_that_blocks_no_other_tasks() -> None:
    away = Condition.false(AgentCondition.TOOLS_READY, Reason.TOOL_SERVER_UNREACHABLE, "http://files/mcp: no answer")
    conditions = agent_conditions(facts(tools=away))
    assert conditions[-1] == away
    assert conditions[0].is_true
    assert dispatch_blocker(conditions, Agent.model_validate(o.agent_body())) is None
    assert all(each.type != AgentCondition.TOOLS_READY for each in agent_conditions(facts()))
