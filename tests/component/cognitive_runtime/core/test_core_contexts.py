"""A cognitive core answers contexts as a function of its process."""

import json

import pytest

from cognitive_runtime.adapters.dspy import CognitiveCore, get_cognitive_core, initialize_cognitive_core
from cognitive_runtime.adapters.model import ModelPool
from cognitive_runtime.domain import AgentSettings, CognitiveContext, CognitiveTaskType, LLMSettings
from support.builders.runtime_requests import INPUTS
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component


def test_a_context_is_answered_as_the_guide_shows(model: ScriptedModel) -> None:
    settings = AgentSettings("DEV", LLMSettings("openai", "gpt-4o", model.url))
    cognitive_core = initialize_cognitive_core(ModelPool(lambda agent_uid, name: "key"), settings)
    context = CognitiveContext(
        agent_id="my_agent",
        task_type=CognitiveTaskType.FAILURE_ANALYSIS,
        input_data={"incident_id": "incident_001", "error": "Task failed"},
        memory_context={"memory_writes": 3},
    )
    result = cognitive_core(context)
    assert result["thought"] == "scripted answer"
    assert (result["success"], result["agent_id"], result["task_type"]) == (True, "my_agent", "failure_analysis")
    assert (result["model_used"], result["provider"], result["confidence"]) == ("gpt-4o", "openai", 0.5)
    assert json.loads(model.requests[0].body["messages"][1]["content"])["memory_context"] == {"memory_writes": 3}
    assert get_cognitive_core() is cognitive_core


async def test_a_context_is_answered_inside_a_running_loop_and_a_failure_is_told(model: ScriptedModel) -> None:
    model.script(status=500)
    settings = AgentSettings("DEV", LLMSettings("openai", "gpt-4o", model.url, max_retries=0))
    core = initialize_cognitive_core(ModelPool(lambda agent_uid, name: "key"), settings)
    task_type = CognitiveTaskType.PROBLEM_SOLVING
    result = core(CognitiveContext("a", task_type, INPUTS[task_type]))
    assert (result["success"], result["error_type"], result["retryable"]) == (False, "ModelUnavailable", True)
    assert "confidence" not in result


def test_a_core_without_an_agent_answers_no_context() -> None:
    core = CognitiveCore(ModelPool(lambda agent_uid, name: "key"))
    with pytest.raises(ValueError, match="no agent settings"):
        core(CognitiveContext("a", CognitiveTaskType.FAILURE_ANALYSIS, {"error": "x"}))
