"""Results of tasks: the shape of the core in process, and a status code for each cause."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cognitive_runtime.adapters.http.replies import result_reply
from cognitive_runtime.adapters.kube.manifests import task_manifest
from cognitive_runtime.adapters.kube.outcomes import result_of
from cognitive_runtime.domain import CognitiveContext, CognitiveTaskType

CRD = Path(__file__).parents[4] / "crds" / "cognitivetasks.yaml"
NAMES = {"name": "t1", "namespace": "team"}
PROBLEM = CognitiveContext("a1", CognitiveTaskType.PROBLEM_SOLVING, {"problem_statement": "slow"})


def ended(context: CognitiveContext = PROBLEM, **status: Any) -> dict[str, Any]:
    return result_of(context, {"metadata": NAMES, "status": status})


def schema_of(*path: str) -> Any:
    found = yaml.safe_load(CRD.read_text(encoding="utf-8"))["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for name in path:
        found = found[name]
    return found


@pytest.mark.parametrize(
    ("reason", "status_code", "retryable"),
    [
        ("BadRequest", 502, False),
        ("BudgetExceeded", 422, False),
        ("Cancelled", 503, False),
        ("ContextLengthExceeded", 422, False),
        ("DeadlineExceeded", 504, False),
        ("ExecutorLost", 503, True),
        ("InputInvalid", 422, False),
        ("InputTooLarge", 422, False),
        ("InternalError", 500, True),
        ("JobFailed", 503, True),
        ("ModelTimeout", 504, True),
        ("OutputParseError", 502, True),
        ("QueueFull", 429, True),
        ("QueueTimeout", 503, True),
        ("ResponseInvalid", 502, True),
        ("ResultLost", 502, True),
    ],
)
def test_a_failed_task_has_the_status_of_its_cause(reason: str, status_code: int, retryable: bool) -> None:
    found = ended(phase="Failed", reason=reason, message="why", energy={"delta": 0.25})
    assert (found["success"], found["error"], found["error_type"]) == (False, "why", reason)
    assert (found["retryable"], found["energy_cost"], found["task"]) == (retryable, 0.25, "t1")
    assert result_reply(found).status_code == status_code


def test_no_error_class_of_the_crd_is_an_internal_error_but_the_internal_error() -> None:
    policy = schema_of("properties", "spec", "properties", "retryPolicy", "properties", "onErrorTypes", "items")
    codes = {each: result_reply(ended(phase="Failed", reason=each)).status_code for each in policy["enum"]}
    assert [name for name, code in codes.items() if code == 500] == ["InternalError"]


def test_the_type_of_each_operation_is_one_of_the_crd() -> None:
    known = set(schema_of("properties", "spec", "properties", "type", "enum"))
    types = [each for each in CognitiveTaskType if each not in (CognitiveTaskType.PROPOSAL, CognitiveTaskType.CUSTOM)]
    manifests = [task_manifest(CognitiveContext("a", each, {}), "sre", 60) for each in types]
    assert {each["spec"]["type"] for each in manifests} <= known
    assert len({each["metadata"]["generateName"] for each in manifests}) == 6


def test_the_thought_of_a_decision_is_its_reasoning() -> None:
    decision = CognitiveContext("a1", CognitiveTaskType.DECISION_MAKING, {})
    found = ended(decision, phase="Succeeded", result={"reasoning": "because", "decision": "A"}, reasoning="because")
    assert found["thought"] == found["thought_process"] == found["reasoning"] == "because"
    assert "native_reasoning" not in found


@pytest.mark.parametrize(
    ("thought", "reasoning", "native"),
    [("long thought", "long", None), ("thought", "thinking", "thinking"), ("", "thinking", "thinking")],
)
def test_thinking_of_a_model_is_not_taken_for_the_thought(thought: str, reasoning: str, native: str | None) -> None:
    found = ended(phase="Succeeded", result={"thought": thought} if thought else {}, reasoning=reasoning)
    assert (found.get("thought", ""), found.get("native_reasoning")) == (thought, native)


def test_a_result_on_the_broker_is_named_and_not_shown_as_empty() -> None:
    reference = {"bucket": "results-a", "name": "t.1", "sizeBytes": 20_000, "sha256": "00"}
    found = ended(phase="Succeeded", resultRef=reference)
    assert (found["success"], found["error_type"], found["result_ref"]) == (False, "ResultTooLarge", reference)
    reply = result_reply(found)
    assert (reply.status_code, json.loads(bytes(reply.body))["task"]) == (502, "t1")


def test_texts_of_the_input_are_repeated() -> None:
    plan = CognitiveContext("a1", CognitiveTaskType.TASK_PLANNING, {"task_description": "t", "agent_capabilities": {}})
    assert ended(plan, phase="Failed", reason="Cancelled")["task_description"] == "t"
