"""Bounds on settings that are part of each request."""

from typing import Any

import pytest

from cognitive_operator.api.resources import Agent
from cognitive_operator.plan.agent.settings import check_settings
from support.builders import operator_objects as o


def agent(text: str, *, is_demonstration: bool) -> Agent:
    llm: dict[str, Any] = {"model": "m", "endpoint": "http://model/v1"}
    if not is_demonstration:
        return Agent.model_validate(o.agent_body(llm=llm | {"extraBody": {"a": text}}))
    example = {"type": "FailureAnalysis", "input": {"error_message": text}, "output": {"thought": "t"}}
    return Agent.model_validate(o.agent_body(llm=llm, demonstrations=[example]))


@pytest.mark.parametrize(("size", "is_demonstration"), [(16 * 1024, False), (64 * 1024, True)])
def test_a_setting_above_its_bound_is_named(size: int, is_demonstration: bool) -> None:
    found = check_settings(agent("x" * size, is_demonstration=is_demonstration))
    assert found is not None
    assert (found.is_false, found.reason) == (True, "SettingsTooLarge")
    assert found.message.startswith("spec.demonstrations is " if is_demonstration else "spec.llm.extraBody is ")
    assert f"the limit is {size}" in found.message
    assert check_settings(agent("x" * (size - 200), is_demonstration=is_demonstration)) is None


def test_characters_count_by_their_bytes() -> None:
    assert check_settings(agent("故" * 5461, is_demonstration=False)) is not None
    assert check_settings(agent("故" * 5400, is_demonstration=False)) is None
