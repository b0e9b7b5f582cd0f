"""The golden bodies of Ray submissions: what an agent's executor and its attempts in Job mode ask of Ray."""

import json
from pathlib import Path
from typing import Any

import pytest

from cognitive_operator.adapters.ray.jobs import submission_body
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.ray_job import RayEnvironment, desired_attempt, desired_executor, settings_hash
from cognitive_operator.plan.agent.ray.executor import plan_executor
from support.builders import operator_objects as o

RAY = Path(__file__).parent / "ray"
ENVIRONMENT = RayEnvironment("nats://broker:4222")
RESOURCES = {"cpu": "500m", "memory": "512Mi"}
JOB: dict[str, Any] = {"mode": "Job"}
SLOTS: dict[str, Any] = {"mode": "Job", "job": {"warmSlots": 3}}


def attempt(execution: dict[str, Any]) -> dict[str, Any]:
    found = Agent.model_validate(o.agent_body(execution=execution))
    return submission_body(desired_attempt(found, o.key(), ENVIRONMENT))


def executor(execution: dict[str, Any]) -> dict[str, Any]:
    found = Agent.model_validate(o.agent_body(execution=execution))
    submission_id = plan_executor(o.AGENT_UID, settings_hash(found, ENVIRONMENT), ()).submit
    assert submission_id is not None
    return submission_body(desired_executor(found, submission_id, ENVIRONMENT))


BODIES = {
    "executor.json": executor({}),
    "executor_resources.json": executor({"resources": RESOURCES}),
    "executor_warm_slots.json": executor(SLOTS),
    "executor_warm_slots_resources.json": executor(SLOTS | {"resources": RESOURCES}),
    "attempt.json": attempt(JOB),
    "attempt_resources.json": attempt(JOB | {"resources": RESOURCES}),
}


@pytest.mark.parametrize(("name", "body"), BODIES.items())
def test_the_body_of_a_submission_is_the_golden_one(name: str, body: dict[str, Any]) -> None:
    assert json.loads(json.dumps(body)) == json.loads((RAY / name).read_text(encoding="utf-8"))


def test_every_golden_body_is_compared() -> None:
    assert {path.name for path in RAY.glob("*.json")} == set(BODIES)


@pytest.mark.parametrize("empty", [{}, {"cpu": 0}])
def test_an_attempt_that_reserves_nothing_is_submitted_as_before(empty: dict[str, Any]) -> None:
    assert attempt(JOB | {"resources": empty}) == BODIES["attempt.json"]
    assert attempt(SLOTS | {"resources": empty}) == BODIES["attempt.json"]
