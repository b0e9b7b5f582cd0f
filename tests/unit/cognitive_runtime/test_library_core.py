"""The core as programs construct, extend and await it."""

import asyncio
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import dspy
import numpy
import pytest

from cognitive_runtime import llm_config
from cognitive_runtime.cognitive_core import CognitiveContext, CognitiveCore, CognitiveTaskType, LLMConfig
from cognitive_runtime.domain import ModelUnavailable
from support.builders.answers import GOOD
from support.builders.cores import AGENT
from support.fakes.model_client import FakeModel, response

FAILURE = CognitiveTaskType.FAILURE_ANALYSIS


def context(**data: Any) -> CognitiveContext:
    return CognitiveContext("a1", FAILURE, {"error": "e"} | data)


class NewTaskType(Enum):
    CUSTOM_TASK = "custom_task"


class CustomTaskSignature(dspy.Signature):
    """Answer a question."""

    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class ExtendedCognitiveCore(CognitiveCore):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.custom_handler = dspy.ChainOfThought(CustomTaskSignature)
        self.task_handlers["custom_task"] = self.custom_handler


def test_a_core_without_arguments_takes_its_model_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm_config, "_configured", {})
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("LLM_MODEL", "from-environment")
    assert ExtendedCognitiveCore().request(context()).agent.llm.model == "from-environment"
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ValueError, match="OPENAI_API_KEY"):
        CognitiveCore()


def test_the_environment_keeps_temperature_and_top_p_of_the_first_release(monkeypatch: pytest.MonkeyPatch) -> None:
    llm = LLMConfig(api_key="k").settings().llm
    assert (llm.temperature, llm.top_p) == (0.7, 1.0)


def test_an_extended_core_answers_its_own_task_type() -> None:
    model = FakeModel({"reasoning": "r", "answer": "a"})
    core = ExtendedCognitiveCore(model, AGENT)
    found = core(CognitiveContext("a1", NewTaskType.CUSTOM_TASK, {"question": "q"}))  # type: ignore[arg-type]
    assert (found["success"], found["answer"], found["task_type"]) == (True, "a", "custom_task")
    assert core(context())["success"] is False


async def test_reason_is_awaitable_and_raises() -> None:
    assert (await CognitiveCore(FakeModel(GOOD), AGENT).reason(context())).outputs == GOOD
    with pytest.raises(ModelUnavailable):
        await CognitiveCore(FakeModel(ModelUnavailable("HTTP 503")), AGENT).reason(context())


async def test_a_cancelled_reasoning_stays_a_cancellation() -> None:
    model = FakeModel(GOOD)
    model.hangs_from = 1
    core = CognitiveCore(model, AGENT)
    for work in (core.reason(context()), core.run_module(dspy.Predict("question -> answer"), {"question": "q"})):
        running = asyncio.create_task(work)
        await asyncio.wait_for(model.called.wait(), 10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert running.cancelled()
        model.called.clear()


async def test_a_time_limit_around_a_reasoning_works_as_for_any_coroutine() -> None:
    model = FakeModel(GOOD)
    model.hangs_from = 1
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await CognitiveCore(model, AGENT).reason(context())


@dataclass
class Pod:
    name: str


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (datetime(2026, 11, 27, 12, 0, tzinfo=UTC), "2026-11-27T12:00:00+00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Path("/var/log"), "/var/log"),
        ((1, 2), [1, 2]),
        (Pod("web-0"), {"name": "web-0"}),
        (FAILURE, "failure_analysis"),
        ({1: "one", FAILURE: 2}, {"1": "one", "failure_analysis": 2}),
        (numpy.float64(0.5), 0.5),
        (numpy.array([[1, 2]]), [[1, 2]]),
        (numpy.int64(2**62), 2**62),
        (True, True),
    ],
)
def test_a_python_value_is_sent_as_json(value: Any, sent: Any) -> None:
    model = FakeModel(GOOD)
    assert CognitiveCore(model, AGENT)(context(given=value))["success"]
    assert json.loads(model.requests[0].messages[-1].content)["incident_context"]["given"] == sent


def endless() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"pods": [b"raw"]}, r"input_data\.given\.pods\[0\] is of the type bytes.*decode it"),
        ({1, 2}, r"input_data\.given is of the type set.*sort it into a list"),
        (Decimal("1.1"), "type Decimal"),
        (float("nan"), "is nan, which JSON cannot hold"),
        (object(), "type object"),
        ({(1, 2): 3}, "has a key of the type tuple"),
        (endless(), "contains itself"),
    ],
)
def test_a_value_without_a_json_form_is_told_with_its_place(value: Any, says: str) -> None:
    model = FakeModel(GOOD)
    found = CognitiveCore(model, AGENT)(context(given=value))
    assert (found["success"], found["error_type"], found["retryable"]) == (False, "InvalidRequest", False)
    assert re.search(says, found["error"])
    assert not model.requests


class Other(StrEnum):
    NEW = "new"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"agent_id": ""}, "agent_id"),
        ({"agent_id": " "}, "agent_id"),
        ({"agent_id": 5}, "agent_id"),
        ({"task_type": Other.NEW}, "task_type 'new' is none of failure_analysis"),
        ({"input_data": ["e"]}, "input_data must be a dict, not list"),
        ({"input_data": {}}, "needs an incident"),
        ({"memory_context": {"at": b"x"}}, "memory_context.at"),
    ],
)
def test_an_invalid_context_is_a_result(fields: dict[str, Any], says: str) -> None:
    model = FakeModel(GOOD)
    given = {"agent_id": "a1", "task_type": FAILURE, "input_data": {"error": "e"}} | fields
    found = CognitiveCore(model, AGENT)(CognitiveContext(**given))
    assert (found["success"], found["error_type"]) == (False, "InvalidRequest")
    assert says in found["error"]
    assert not model.requests


def test_a_crash_is_a_result_that_shows_its_class_alone() -> None:
    found = CognitiveCore(FakeModel(KeyError("the secret prompt")), AGENT)(context())
    assert (found["success"], found["error_type"]) == (False, "InternalError")
    assert "KeyError" in found["error"]
    assert "secret" not in found["error"]


def test_the_task_type_may_be_a_text() -> None:
    found = CognitiveCore(FakeModel(GOOD), AGENT)(CognitiveContext("a1", "failure_analysis", {"error": "e"}))  # type: ignore[arg-type]
    assert found["success"]


def test_native_reasoning_is_part_of_the_result() -> None:
    found = CognitiveCore(FakeModel(response(json.dumps(GOOD), reasoning="hm")), AGENT)(context())
    assert (found["native_reasoning"], found["thought"]) == ("hm", "t")


def test_usage_tracking_of_dspy_sees_a_call_of_the_library() -> None:
    with dspy.track_usage() as tracker:
        CognitiveCore(FakeModel(GOOD), AGENT)(context())
    assert tracker.get_total_tokens()["scripted"]["prompt_tokens"] == 10


async def test_the_core_closes_its_connections_at_the_end_of_its_block() -> None:
    model = FakeModel(GOOD)
    async with CognitiveCore(model, AGENT) as core:
        await core.reason(context())
        assert model.closed == 0
    assert model.closed == 1
