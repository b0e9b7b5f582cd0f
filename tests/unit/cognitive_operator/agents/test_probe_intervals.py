"""Intervals of the checks of an agent's Ray and of its model."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.resources import Agent
from cognitive_operator.plan.agent.probe_intervals import ProbeIntervals, model_interval_s, ray_interval_s
from support.builders.operator_objects import agent_body

INTERVALS = ProbeIntervals(ready_s=30.0, not_ready_s=5.0, child_s=2.0)
OWN_RAY: dict[str, Any] = {"ray": {"cluster": {}}}
OWN_MODEL: dict[str, Any] = {"llm": {"provider": "vllm", "model": "m", "vllm": {}}}
TRUE = Condition.true(AgentCondition.RAY_READY, Reason.AVAILABLE, "It answers.")
FALSE = Condition.false(AgentCondition.RAY_READY, Reason.RAY_STARTING, "It starts.")
RESTS = Condition.false(AgentCondition.MODEL_READY, Reason.SUSPENDED, "It rests.")


def agent(**spec: Any) -> Agent:
    return Agent.model_validate(agent_body(**spec))


@pytest.mark.parametrize(
    ("spec", "ray", "expected_s"),
    [
        ({}, TRUE, 30.0),
        ({}, FALSE, 5.0),
        ({"suspend": True}, TRUE, 30.0),
        (OWN_RAY, TRUE, 30.0),
        (OWN_RAY, FALSE, 2.0),
        (OWN_RAY | {"suspend": True}, TRUE, 2.0),
    ],
)
def test_ray_is_checked_often_while_it_changes(spec: dict[str, Any], ray: Condition, expected_s: float) -> None:
    assert ray_interval_s(agent(**spec), ray, INTERVALS) == expected_s


@pytest.mark.parametrize(
    ("spec", "model", "expected_s"),
    [
        ({}, TRUE, 30.0),
        ({}, FALSE, 5.0),
        (OWN_MODEL, TRUE, 30.0),
        (OWN_MODEL, FALSE, 2.0),
        (OWN_MODEL | {"suspend": True}, TRUE, 2.0),
        (OWN_MODEL | {"suspend": True}, RESTS, 30.0),
    ],
)
def test_a_model_is_checked_often_while_it_changes(spec: dict[str, Any], model: Condition, expected_s: float) -> None:
    assert model_interval_s(agent(**spec), model, INTERVALS) == expected_s
