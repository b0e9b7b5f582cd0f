"""Tasks that the API server refuses: each message names the field and the allowed values."""

import json
from typing import Any

import pytest

from support.builders.crd_objects import INPUTS, Manifest, source, task
from support.cluster.api_client import Namespace

pytestmark = pytest.mark.integration
AGREEMENT = {"method": "Agreement"}
DELIBERATIONS: list[tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
    (AGREEMENT, {"members": 1}, ("spec.deliberation.members", "2")),
    (AGREEMENT, {"members": 9}, ("spec.deliberation.members", "8")),
    (AGREEMENT, {"members": None}, ("spec.deliberation.members", "Required")),
    (AGREEMENT, {"quorum": 4}, ("spec.deliberation.quorum", "must not be above spec.deliberation.members")),
    (AGREEMENT, {"quorum": 0}, ("spec.deliberation.quorum", "1")),
    (AGREEMENT, {"rounds": 2}, ("spec.deliberation.rounds", "unknown field")),
    ({"method": "Vote"}, {}, ("spec.deliberation.selection.method", '"Majority", "Agreement", "Judge"')),
    ({"method": "Majority"}, {}, ("spec.deliberation.selection.field", "Majority, which needs it")),
    (AGREEMENT | {"field": "decision"}, {}, ("spec.deliberation.selection.field", "with another method remove it")),
    ({"method": "Judge"}, {}, ("spec.deliberation.selection.judgeRef", "Judge, which needs it")),
    (AGREEMENT | {"judgeRef": {"name": "j"}}, {}, ("deliberation.selection.judgeRef", "with another method remove it")),
    ({"method": "Judge", "judgeRef": {}}, {}, ("spec.deliberation.selection.judgeRef.name", "Required")),
    ({"method": "Majority", "field": "choice"}, {}, ("spec.deliberation.selection.field", "key of the result")),
    ({"method": "Majority", "field": "output"}, {}, ("spec.deliberation.selection.field", "key of the result")),
]
TASKS: list[tuple[Manifest, tuple[str, ...]]] = [
    (task(kind_of="FailureAnalysis", input={}), ("spec.input.error_message", "exactly one of", "spec.input.error")),
    (
        task(kind_of="FailureAnalysis", input={"error": "a", "error_message": "a"}),
        ("spec.input.error_message", "exactly one of", "spec.input.error"),
    ),
    (task(kind_of="FailureAnalysis", input={"error_message": ""}), ("spec.input.error_message", "at least 1 char")),
    (task(kind_of="FailureAnalysis", input={"error": ""}), ("spec.input.error", "at least 1 char")),
    (task(kind_of="FailureAnalysis", input={"error_message": 5}), ("spec.input.error_message", "string")),
    (task(kind_of="TaskPlanning", input={}), ("spec.input.task_description", "Required", "what is to be planned")),
    (task(kind_of="TaskPlanning", input={"task_description": ""}), ("spec.input.task_description", "at least 1")),
    (task(kind_of="DecisionMaking", input={}), ("spec.input.decision_context", "Required", "what is to be decided")),
    (task(kind_of="DecisionMaking", input={"decision_context": {}}), ("spec.input.decision_context", "at least 1")),
    (task(kind_of="DecisionMaking", input={"decision_context": "A or B"}), ("spec.input.decision_context", "object")),
    (task(kind_of="ProblemSolving", input={}), ("spec.input.problem_statement", "Required", "what is to be solved")),
    (task(kind_of="MemorySynthesis", input={"synthesis_goal": "x"}), ("spec.input.memory_fragments", "Required")),
    (
        task(kind_of="MemorySynthesis", input={"memory_fragments": [{"content": "x"}]}),
        ("spec.input.synthesis_goal", "Required", "what to look for"),
    ),
    (
        task(kind_of="MemorySynthesis", input={"memory_fragments": [], "synthesis_goal": "x"}),
        ("spec.input.memory_fragments", "at least 1 item"),
    ),
    (
        task(kind_of="MemorySynthesis", input={"memory_fragments": ["x"], "synthesis_goal": "x"}),
        ("spec.input.memory_fragments[0]", "object"),
    ),
    (
        task(kind_of="CapabilityAssessment", input={}),
        ("spec.input.performance_data", "spec.input.current_capabilities", "spec.input.target_capabilities"),
    ),
    (
        task(
            kind_of="CapabilityAssessment",
            input=INPUTS["CapabilityAssessment"] | {"agent_performance_data": {"incidents": 23}},
        ),
        ("spec.input.performance_data", "exactly one of", "spec.input.agent_performance_data"),
    ),
    (task(kind_of="Proposal", input={}), ("spec.input.task_description", "Required", "what the proposal is for")),
    (task(kind_of="Proposal", input={"task_description": ""}), ("spec.input.task_description", "at least 1")),
    (
        task(kind_of="Proposal", outputSchema={"type": "object"}),
        ("spec.outputSchema", "Forbidden", "not for a Proposal, whose result is free text"),
    ),
    *[
        (task(kind_of="DecisionMaking", deliberation={"members": 3, "selection": selection} | more), said)
        for selection, more, said in DELIBERATIONS
    ],
    (task(type="Guessing"), ("spec.type", '"FailureAnalysis", "TaskPlanning"')),
    (task(type=None), ("spec.type", "Required")),
    (task(input=None), ("spec.input.error_message", "exactly one of")),
    (task(input=None, inputFrom=[source("incident_id")]), ("spec.input.error_message", "exactly one of")),
    (task(inputFrom=[source("error")]), ("spec.input.error_message", "exactly one of", "spec.input.error")),
    (task(kind_of="TaskPlanning", input={}, inputFrom=[source("plan")]), ("spec.input.task_description", "Required")),
    (task(inputFrom=[source("a"), source("a")]), ("spec.inputFrom", "each key (as) only once")),
    (task(inputFrom=[source(f"a{n}") for n in range(17)]), ("spec.inputFrom", "at most 16")),
    (task(inputFrom=[source("")]), ("spec.inputFrom[0].as", "at least 1")),
    (task(inputFrom=[source("a.b")]), ("spec.inputFrom[0].as", "should match")),
    (task(inputFrom=[{"as": "a"}]), ("spec.inputFrom[0]", "exactly one of configMapKeyRef")),
    (task(inputFrom=[source("a") | {"taskRef": {"name": "b"}}]), ("spec.inputFrom[0]", "exactly one of")),
    (
        task(inputFrom=[source("a", configMapKeyRef={"name": "b"})]),
        ("spec.inputFrom[0].configMapKeyRef.key", "Required"),
    ),
    (task(inputFrom=[source("a", format="YAML")]), ("spec.inputFrom[0].format", '"Text", "JSON"')),
    (
        task(inputFrom=[{"as": "a", "taskRef": {"name": "b"}, "format": "JSON"}]),
        ("spec.inputFrom[0]", "configMapKeyRef and secretKeyRef only"),
    ),
    (task(input="text"), ("spec.input", "object")),
    (task(agentRef=None), ("spec.agentRef", "Required")),
    (task(agentRef={}), ("spec.agentRef.name", "Required")),
    (task(agentRef={"name": "The SRE"}), ("spec.agentRef.name", "lower-case letters")),
    (task(agentRef={"name": "a" * 254}), ("spec.agentRef.name", "253")),
    (task(agentRef={"name": "sre", "namespace": "other"}), ("spec.agentRef.namespace", "unknown field")),
    (task(timeoutSeconds=0), ("spec.timeoutSeconds", "1")),
    (task(timeoutSeconds=86401), ("spec.timeoutSeconds", "86400")),
    (task(ttlSecondsAfterFinished=-1), ("spec.ttlSecondsAfterFinished", "0")),
    (task(queueTimeoutSeconds=0), ("spec.queueTimeoutSeconds", "1")),
    (task(retryPolicy={"maxRetries": 11}), ("spec.retryPolicy.maxRetries", "10")),
    (task(retryPolicy={"backoffSeconds": -1}), ("spec.retryPolicy.backoffSeconds", "0")),
    (task(retryPolicy={"onErrorTypes": ["Timeout"]}), ("spec.retryPolicy.onErrorTypes", "ModelTimeout")),
    (task(context={"mood": {}}), ("spec.context.mood", "unknown field")),
    (task(context={"memory": "full"}), ("spec.context.memory", "object")),
    (task(constraints={"requirements": "one"}), ("spec.constraints.requirements", "array")),
    (task(constraints={"requirements": [""]}), ("spec.constraints.requirements[0]", "at least 1 char")),
    (task(constraints={"rubric": ["x"]}), ("spec.constraints.rubric", "string")),
    (task(urgency=1), ("spec.urgency", "unknown field")),
]


@pytest.mark.parametrize(("manifest", "said"), TASKS, ids=lambda v: json.dumps(v["spec"])[:80] if "spec" in v else "")
def test_a_task_that_cannot_be_understood(default: Namespace, manifest: Manifest, said: tuple[str, ...]) -> None:
    default.check_refusal(manifest, *said)
