"""Modes Serve and Hybrid: the place of each attempt, and the settings of the executor's processes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cognitive_operator.api.execution import NO_PLACE, Place, ProcessResources
from cognitive_operator.api.resources import Agent, Attempt, Task
from cognitive_operator.api.wire import Request
from cognitive_operator.desired.execution import desired_execution
from cognitive_operator.desired.ray_job import RayEnvironment, desired_attempt, desired_executor, settings_hash
from cognitive_operator.desired.request import desired_request
from cognitive_operator.desired.secret_sources import secret_sources
from cognitive_operator.plan.agent.features import needed_features
from cognitive_operator.plan.agent.settings import MAX_EXECUTION_BYTES, check_settings
from cognitive_operator.plan.attempt.in_flight import attempt_end, with_refused_end
from cognitive_operator.plan.attempt.placement import adopted_place
from cognitive_operator.plan.task import plan_task
from support.builders import operator_objects as o

WIRE = Path(__file__).parents[3] / "contract" / "wire"
ENVIRONMENT = RayEnvironment("nats://broker:4222")
TYPE = o.task_body()["spec"]["type"]
PUBLIC = {"enabled": True, "tokenSecretRef": {"name": "web"}}


def agent(execution: dict[str, Any], **spec: Any) -> Agent:
    return Agent.model_validate(o.agent_body(execution=execution, **spec))


def task(**spec: Any) -> Task:
    return Task.model_validate(o.task_body(**spec))


def request(of: Agent, **spec: Any) -> Request:
    return desired_request(task(**spec), of, o.key(), b"m" * 32, o.NOW)


@pytest.mark.parametrize(
    ("execution", "complexity", "place"),
    [
        ({}, 1.0, NO_PLACE),
        ({"mode": "Job"}, 1.0, NO_PLACE),
        ({"mode": "Serve"}, None, Place("Serve", None, "Mode")),
        ({"mode": "Hybrid"}, None, Place("Embedded", 0.0, "NoComplexity")),
        ({"mode": "Hybrid"}, 0.49, Place("Embedded", 0.49, "TaskComplexity")),
        ({"mode": "Hybrid"}, 0.5, Place("Serve", 0.5, "TaskComplexity")),
        ({"mode": "Hybrid", "complexityThreshold": 0.8}, 0.5, Place("Embedded", 0.5, "TaskComplexity")),
        ({"mode": "Hybrid", "complexityThreshold": 0.8}, 0.8, Place("Serve", 0.8, "TaskComplexity")),
        ({"mode": "Hybrid", "complexityThreshold": 0}, None, Place("Serve", 0.0, "NoComplexity")),
        ({"mode": "Hybrid", "complexityByType": {TYPE: 0.7}}, None, Place("Serve", 0.7, "TypeComplexity")),
        ({"mode": "Hybrid", "complexityByType": {TYPE: 0.4}}, None, Place("Embedded", 0.4, "TypeComplexity")),
        ({"mode": "Hybrid", "complexityByType": {TYPE: 0.7}}, 0.0, Place("Embedded", 0.0, "TaskComplexity")),
        ({"mode": "Hybrid", "complexityByType": {"Custom": 0.7}}, None, Place("Embedded", 0.0, "NoComplexity")),
    ],
)
def test_the_place_follows_from_mode_and_complexity(
    execution: dict[str, Any], complexity: float | None, place: Place
) -> None:
    spec = {} if complexity is None else {"complexity": complexity}
    of = agent(execution)
    assert task(**spec).place(of) == place
    assert request(of, **spec).placement == place.placement


@pytest.mark.parametrize(
    ("mode", "place"),
    [
        ("Serve", Place("Embedded", None, "Tools")),
        ("Hybrid", Place("Embedded", 1.0, "Tools")),
        ("Embedded", NO_PLACE),
    ],
)
def test_a_task_with_tools_stays_in_the_worker(mode: str, place: Place) -> None:
    of, spec = agent({"mode": mode}, tools={"workspace": {"emptyDir": {}}}), {"complexity": 1.0}
    assert task(tools={"enabled": True}, **spec).place(of) == place
    assert request(of, tools={"enabled": True}, **spec).placement == place.placement


@pytest.mark.parametrize(("mode", "wire_mode"), [("Job", "Job"), ("Serve", "Embedded"), ("Hybrid", "Embedded")])
def test_the_mode_on_the_wire_stays_embedded_or_job(mode: str, wire_mode: str) -> None:
    assert request(agent({"mode": mode})).mode == wire_mode


def test_a_request_names_its_place_as_in_the_golden_file_and_only_with_an_application() -> None:
    golden = json.loads((WIRE / "request_serve.json").read_text())
    assert json.loads(request(agent({"mode": "Serve"})).model_dump_json())["placement"] == golden["placement"]
    assert "placement" not in json.loads(request(agent({})).model_dump_json())


def test_the_status_shows_the_place_of_an_attempt_that_runs_and_of_one_that_ended() -> None:
    placed = replace(o.in_flight(1.0, claimed=o.claim()), place=Place("Serve", 0.7, "TypeComplexity"))
    for plan in (
        plan_task(o.facts(attempt=placed)),
        plan_task(o.facts(attempt=placed, end=attempt_end(o.key(), o.completed(), 7))),
        plan_task(o.facts(attempt=placed, end=attempt_end(o.key(), o.failed(), 7))),
    ):
        assert plan.patch is not None
        (entry,) = plan.patch["attempts"]
        assert (entry["placement"], entry["complexity"]) == ("Serve", 0.7)
        assert entry["placementReason"] == "TypeComplexity"


def test_an_attempt_that_ended_while_the_operator_restarted_keeps_the_place_of_its_status() -> None:
    written = {"number": 1, "agentUid": o.AGENT_UID, "mode": "Embedded", "placement": "Serve", "complexity": 0.7}
    written |= {"placementReason": "TypeComplexity"}
    body = o.task_body({"attempts": [{**written, "outcome": "Running"}]})
    plan = plan_task(o.facts(body, end=attempt_end(o.key(), o.completed(), 7)))
    assert plan.patch is not None
    assert [each["placement"] for each in plan.patch["attempts"]] == ["Serve"]
    (refused,) = with_refused_end([Attempt.model_validate(written)], attempt_end(o.key(), o.completed(), 7))
    assert (refused.placement, refused.complexity, refused.placement_reason) == ("Serve", 0.7, "TypeComplexity")


def test_an_adopted_attempt_has_the_place_of_its_status_or_else_the_present_one() -> None:
    written = Attempt.model_validate(
        {"number": 1, "agentUid": o.AGENT_UID, "mode": "Embedded", "placement": "Embedded", "complexity": 0.2}
    )
    hybrid = agent({"mode": "Hybrid"})
    assert adopted_place(written, task(complexity=0.9), hybrid) == Place("Embedded", 0.2)
    assert adopted_place(None, task(complexity=0.9), hybrid) == Place("Serve", 0.9, "TaskComplexity")
    typed = Attempt.model_validate(written.model_dump() | {"placement_reason": "TypeComplexity"})
    assert adopted_place(typed, task(), hybrid) == Place("Embedded", 0.2, "TypeComplexity")
    assert adopted_place(None, task(), None) == NO_PLACE


@pytest.mark.parametrize(
    ("execution", "is_needed"),
    [
        ({}, False),
        ({"mode": "Job"}, False),
        ({"mode": "Serve"}, True),
        ({"mode": "Hybrid"}, True),
        ({"resources": {"cpu": 1}}, True),
        ({"mode": "Job", "resources": {"cpu": 1}}, False),
    ],
)
def test_an_application_and_resources_need_the_feature_serve(execution: dict[str, Any], is_needed: bool) -> None:
    assert ("serve" in needed_features(agent(execution))) is is_needed


@pytest.mark.parametrize(
    ("cpu", "memory", "cpus", "size"),
    [
        (None, None, None, None),
        ("500m", "512Mi", 0.5, 512 * 1024**2),
        (2, 1000, 2.0, 1000),
        ("1.5", "2G", 1.5, 2_000_000_000),
        ("0", "1Ti", 0.0, 1024**4),
        ("100m", "7k", 0.1, 7000),
    ],
)
def test_quantities_are_those_of_kubernetes(
    cpu: str | int | None, memory: str | int | None, cpus: float | None, size: int | None
) -> None:
    found = ProcessResources(cpu=cpu, memory=memory)
    assert (found.cpus, found.memory_bytes) == (cpus, size)


def execution_message(of: Agent) -> dict[str, Any]:
    found = desired_execution(of)
    assert found is not None
    message: dict[str, Any] = json.loads(found.model_dump_json())
    return message


def test_the_settings_of_the_processes_are_the_golden_ones() -> None:
    golden = json.loads((WIRE / "execution.json").read_text())
    assert execution_message(agent({"mode": "Serve", "serve": {"replicas": 2}})) == golden
    golden = json.loads((WIRE / "execution_public.json").read_text())
    message = execution_message(
        agent(
            {
                "mode": "Hybrid",
                "resources": {"cpu": "500m", "memory": "512Mi"},
                "serve": {
                    "autoscaling": {"maxReplicas": 4},
                    "resources": {"cpu": 2, "memory": "1Gi"},
                    "public": PUBLIC,
                },
            }
        )
    )
    public, expected = message["serve"].pop("public"), golden["serve"].pop("public")
    assert message == golden
    assert (public["route"], public["token_file"]) == ("/cognitive/team/sre", expected["token_file"])
    assert public["agent"]["llm"]["model"] == "m"


def test_an_executor_without_such_settings_starts_as_before() -> None:
    plain = agent({})
    assert desired_execution(plain) is None
    assert "COGNITIVE_EXECUTION" not in desired_executor(plain, "ca-x-1", ENVIRONMENT).env_vars
    assert desired_execution(agent({"mode": "Job"})) is None
    assert desired_execution(agent({"mode": "Job", "resources": {"cpu": 1}})) is None


def test_the_settings_travel_in_the_environment_of_the_executor_alone() -> None:
    serve = agent({"mode": "Serve"})
    variables = desired_executor(serve, "ca-x-1", ENVIRONMENT).env_vars
    assert json.loads(variables["COGNITIVE_EXECUTION"])["serve"]["replicas"] == 1
    assert variables["COGNITIVE_SUBMISSION_ID"] == "ca-x-1"
    assert "COGNITIVE_EXECUTION" not in desired_attempt(serve, o.key(), ENVIRONMENT).env_vars


def test_a_change_of_the_application_starts_another_executor_and_a_change_of_the_prompt_only_with_a_route() -> None:
    def hashed(execution: dict[str, Any], generation: int = 3, **spec: Any) -> str:
        found = agent(execution, **spec)
        meta = found.metadata.model_copy(update={"generation": generation})
        return settings_hash(found.model_copy(update={"metadata": meta}), ENVIRONMENT)

    serve, public = {"mode": "Serve"}, {"mode": "Serve", "serve": {"public": PUBLIC}}
    assert hashed({}) != hashed(serve) != hashed({"mode": "Hybrid"})
    assert (
        hashed(serve)
        == hashed({"mode": "Serve", "serve": {"replicas": 1}})
        != hashed({"mode": "Serve", "serve": {"replicas": 2}})
    )
    assert hashed({"mode": "Hybrid"}) == hashed({"mode": "Hybrid", "complexityThreshold": 0.9})
    assert hashed({"mode": "Hybrid"}) == hashed({"mode": "Hybrid", "complexityByType": {TYPE: 0.9}})
    assert hashed(serve) == hashed(serve, systemPrompt="Be brief.")
    assert hashed(public) != hashed(public, systemPrompt="Be brief.")
    assert hashed(public) == hashed(public, generation=4)


def test_the_token_of_a_route_is_a_secret_file_that_the_executor_needs() -> None:
    public = agent({"mode": "Serve", "serve": {"public": PUBLIC}})
    assert ("web", "token", "serve-token") in secret_sources(public)
    executor = desired_executor(public, "ca-x-1", ENVIRONMENT)
    assert "--require-secret serve-token" in executor.entrypoint
    closed = agent({"mode": "Serve", "serve": {"public": {**PUBLIC, "enabled": False}}})
    assert "serve-token" not in desired_executor(closed, "ca-x-1", ENVIRONMENT).entrypoint
    assert execution_message(closed)["serve"].get("public") is None


def test_settings_of_a_route_that_no_process_could_start_with_are_refused() -> None:
    prompt = "x" * MAX_EXECUTION_BYTES
    found = check_settings(agent({"mode": "Serve", "serve": {"public": PUBLIC}}, systemPrompt=prompt))
    assert found is not None
    assert (found.is_false, found.reason) == (True, "SettingsTooLarge")
    assert "spec.execution.serve.public" in found.message
    assert check_settings(agent({"mode": "Serve"}, systemPrompt=prompt)) is None
    assert check_settings(agent({"mode": "Serve", "serve": {"public": PUBLIC}}, systemPrompt="x")) is None
