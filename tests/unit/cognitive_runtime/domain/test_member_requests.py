"""Requests of the members of a deliberation differ by temperature, seed and approach; the judge sees texts."""

import pytest

from cognitive_runtime.domain import member_request
from cognitive_runtime.domain.deliberation_requests import candidate_text
from support.builders.deliberations import deliberated, deliberation


def test_an_answer_with_several_outputs_is_a_candidate_as_json() -> None:
    assert candidate_text({"proposal": "Wait."}) == "Wait."
    assert candidate_text({"score": 2}) == '{"score": 2}'
    assert candidate_text({"a": "é", "b": 1}) == '{"a": "é", "b": 1}'


def test_members_differ_by_temperature_seed_and_approach() -> None:
    request = deliberated(deliberation(8), llm={"temperature": 1.7}, agent={"system_prompt": "Be brief."})
    found = [member_request(request, number, 5.0) for number in range(1, 9)]
    temperatures = [each.agent.llm.temperature for each in found]
    assert temperatures == pytest.approx([1.7, 1.85, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    assert [each.member and each.member.seed for each in found] == list(range(1, 9))
    prompts = [each.agent.system_prompt or "" for each in found]
    assert prompts[0] == "Be brief."
    assert all(prompt.endswith("\n\nBe brief.") for prompt in prompts[1:])
    assert len(set(prompts)) == 8
    assert {(each.deliberation, each.timeout_seconds) for each in found} == {(None, 5.0)}


def test_a_temperature_that_the_agent_leaves_to_the_server_is_varied_from_the_default() -> None:
    request = deliberated(deliberation())
    assert member_request(request, 1, 5.0).agent.llm.temperature is None
    assert member_request(request, 3, 5.0).agent.llm.temperature == pytest.approx(1.0)


def test_members_without_diversity_are_asked_in_the_same_way() -> None:
    request = deliberated(deliberation(diversity=False), llm={"temperature": 0.2})
    first, second = (member_request(request, number, 5.0) for number in (1, 2))
    assert first.agent == second.agent == request.agent
    assert first.member is not None
    assert first.member.seed is None
