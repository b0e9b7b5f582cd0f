"""The CRDs beside the operator's views, the wire and what the operator writes."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from pydantic import BaseModel

from cognitive_operator.api.conditions import AgentCondition, Condition, Outcome, Phase, TaskCondition
from cognitive_operator.api.counters import Accounting, Counters, VariantCounters
from cognitive_operator.api.execution import ExecutionMode
from cognitive_operator.api.intervals import Sample
from cognitive_operator.api.merge_patch import merge_patch
from cognitive_operator.api.resource_model import ResourceModel
from cognitive_operator.api.resources import (
    MAX_SPEC_BYTES,
    AfterSideEffects,
    Agent,
    AgentSpec,
    Attempt,
    RetryPolicy,
    SignatureVersion,
    TaskSpec,
)
from cognitive_operator.api.wire import Lease, Mode, Placement
from cognitive_operator.api.wire_settings import LearntModel, OutputForm, StructuredOutput
from cognitive_operator.api.wire_tools import OperationOutcome
from cognitive_operator.desired.request import snake_case
from cognitive_operator.ports.model import InferenceResult
from cognitive_operator.ports.ray import RayTarget
from cognitive_operator.status import task as status
from cognitive_operator.status.agent import agent_status, counters_status, endpoints_status, secret_status
from cognitive_operator.status.behaviour import behaviour_status
from cognitive_operator.status.model import model_status
from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.domain import CognitiveTaskType
from support.builders.crd_schema import Schema, defaulted, fields, part, strict
from support.builders.operator_objects import AGENT_UID, NOW, agent_body, completed, failed, task_body

MINIMAL_AGENT = {"llm": {"model": "m", "endpoint": "http://m/v1"}, "ray": {"address": "http://r:8265"}}


def view_fields(view: type[ResourceModel]) -> dict[str, Any]:
    return {str(field.alias): _inner(field.annotation) for field in view.model_fields.values()}


def _inner(annotation: Any) -> type[BaseModel] | None:
    found = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, BaseModel)]
    return found[0] if found else None


def differences(view: type[ResourceModel], schema: Schema, path: str = "spec") -> list[str]:
    inner = view_fields(view)
    properties = schema.get("items", schema).get("properties", {})
    found = [f"{path}.{name}" for name in set(inner) ^ set(properties)]
    for name, child in inner.items():
        if isinstance(child, type) and issubclass(child, ResourceModel) and name in properties:
            found += differences(child, properties[name], f"{path}.{name}")
    return found


@pytest.mark.parametrize(("view", "kind"), [(AgentSpec, "CognitiveAgent"), (TaskSpec, "CognitiveTask")])
def test_the_operator_reads_every_field_and_no_other(view: type[ResourceModel], kind: str) -> None:
    assert differences(view, part(kind, "spec")) == []


def test_the_operator_assumes_the_defaults_of_the_crd() -> None:
    filled = defaulted(MINIMAL_AGENT, part("CognitiveAgent", "spec"))
    bare = MINIMAL_AGENT | {"llm": {**MINIMAL_AGENT["llm"], "provider": "openaiCompatible"}}
    assert AgentSpec.model_validate(bare) == AgentSpec.model_validate(filled)
    policy = filled["taskDefaults"]["retryPolicy"]
    assert RetryPolicy() == RetryPolicy.model_validate(policy)


def test_the_key_of_a_secret_has_a_default() -> None:
    llm = part("CognitiveAgent", "spec")["properties"]["llm"]["properties"]
    assert defaulted({"name": "openai"}, llm["apiKeySecretRef"]) == {"name": "openai", "key": "api-key"}


def enum(kind: str, half: str, *path: str) -> list[str]:
    values: list[str] = dict(fields(part(kind, half)))[path]["enum"]
    return values


def test_values_are_those_of_the_code() -> None:
    assert enum("CognitiveTask", "status", "phase") == list(Phase)
    assert enum("CognitiveTask", "status", "attempts", "[]", "outcome") == list(Outcome)
    assert enum("CognitiveTask", "status", "operations", "[]", "outcome") == list(get_args(OperationOutcome))
    assert enum("CognitiveTask", "spec", "retryPolicy", "afterSideEffects") == list(get_args(AfterSideEffects))
    assert enum("CognitiveAgent", "spec", "execution", "mode") == list(get_args(ExecutionMode))
    assert set(get_args(Mode)) <= set(get_args(ExecutionMode))
    assert enum("CognitiveTask", "status", "attempts", "[]", "placement") == list(get_args(Placement))
    assert enum("CognitiveAgent", "spec", "llm", "structuredOutput") == list(get_args(StructuredOutput))
    assert enum("CognitiveAgent", "status", "modelBehaviour", "[]", "output") == list(get_args(OutputForm))
    kinds = enum("CognitiveTask", "spec", "type")
    without = [kind for kind in kinds if kind not in ("Proposal", "Custom")]
    assert enum("CognitiveAgent", "spec", "demonstrations", "[]", "type") == without
    types = [snake_case(name) for name in kinds]
    assert types == list(CognitiveTaskType)
    assert [snake_case(name) for name in without] == list(SIGNATURES)


def test_a_majority_counts_the_outputs_of_each_type() -> None:
    (rule,) = [
        each["rule"]
        for each in part("CognitiveTask", "spec")["x-kubernetes-validations"]
        if each["fieldPath"] == ".deliberation.selection.field"
    ]
    listed = {kind: re.findall(r"\w+", names) for kind, names in re.findall(r"'(\w+)': \[([^\]]+)\]", rule)}
    expected = {found.signature.__name__: list(found.signature.output_fields) for found in SIGNATURES.values()}
    assert listed == expected | {"Proposal": ["proposal"]}


NEVER_LISTED = {
    "BudgetExceeded",  # never retried
    "Cancelled",
    "AgentDeleted",
    "QueueTimeout",
    "InvalidRequest",
    "CredentialsNotMounted",  # retried by itself, and uses up no retry
}
"""Error classes of the wire that ``onErrorTypes`` does not take."""


def error_classes() -> set[str]:
    """Return the error classes of attempts that the page about the wire lists."""
    page = (Path(__file__).parents[3] / "docs" / "reference" / "wire.md").read_text(encoding="utf-8")
    tables = page.split("| `error_type` | meaning |")[1:]
    rows = [line for table in tables for line in table.split("\n\n")[0].splitlines()]
    return {found[1] for line in rows if (found := re.match(r"\| `(\w+)` \|", line))}


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("CognitiveAgent", ("taskDefaults", "retryPolicy")),
        ("CognitiveTask", ("retryPolicy",)),
        ("CognitiveSchedule", ("taskTemplate", "spec", "retryPolicy")),
    ],
)
def test_a_retry_policy_takes_every_error_class_that_a_retry_may_follow(kind: str, path: tuple[str, ...]) -> None:
    schema = dict(fields(part(kind, "spec")))[*path, "onErrorTypes"]
    listed: list[str] = schema["items"]["enum"]
    assert listed == sorted(listed)
    assert set(listed) == error_classes() - NEVER_LISTED
    assert len(listed) <= schema["maxItems"]


@pytest.mark.parametrize(("kind", "conditions"), [("CognitiveAgent", AgentCondition), ("CognitiveTask", TaskCondition)])
def test_conditions_are_explained(kind: str, conditions: type[AgentCondition | TaskCondition]) -> None:
    description = part(kind, "status")["properties"]["conditions"]["description"]
    assert [c for c in conditions if f"{c}:" not in description] == []


def test_the_bound_of_a_spec_is_said() -> None:
    assert str(MAX_SPEC_BYTES) in part("CognitiveTask", "spec")["description"]


GOLDEN = json.loads((Path(__file__).parents[1] / "wire" / "completed_deliberation.json").read_bytes())["deliberation"]
FAILED_GOLDEN = {"method": "Majority", "selected": None, "members": GOLDEN["members"][:1], "votes": 1}
REF = {"bucket": "results-x", "name": "y.1.members", "size_bytes": 20000, "sha256": "00"}
THOUGHT = {"prompt_tokens": 1, "completion_tokens": 9, "total_tokens": 10, "reasoning_tokens": 8}


CALL = {"number": 1, "server": "git", "tool": "log", "arguments_sha256": "00", "outcome": "Failed", "seconds": 0.5}
KEPT = {"name": "y.1.artifact-1", "bucket": "results-x", "size_bytes": 20000, "sha256": "00"}


def attempt(**more: Any) -> Attempt:
    given = {"number": 1, "agentUid": AGENT_UID, "mode": "Embedded", "submissionId": "ca-1", "worker": "w0"}
    return Attempt.model_validate(given | {"startedAt": NOW, "outcome": "Running"} | more)


def statuses() -> dict[str, dict[str, Any]]:
    stamp = status.Stamp({}, 1, NOW)
    closed = attempt(finishedAt=NOW, outcome="Succeeded", sequence=7)
    lost = attempt(finishedAt=NOW, outcome="Lost", errorType="ExecutorLost", message="gone", counted=False)
    ref = {"bucket": "results-x", "name": "y.1", "size_bytes": 20000, "sha256": "00"}
    return {
        "pending": status.gated(stamp, Phase.PENDING, "AgentNotFound", "no agent", is_accepted=False),
        "queued": status.queued(stamp, "WaitingForSlot", "full", 3, [lost]),
        "resumed": status.queued(status.Stamp({"phase": "Suspended"}, 1, NOW), "WaitingForSlot", "full", 3, []),
        "running": status.running(stamp, [attempt()]),
        "varied": {"variant": "hosted"},
        "placed": status.running(
            stamp, [attempt(placement="Serve", complexity=0.75, placementReason="TypeComplexity")]
        ),
        "custom": {"signature": SignatureVersion(name="triage", generation=3).model_dump()},
        "succeeded": status.succeeded(stamp, [closed], completed(result={"thought": "t", "steps": [{"a": None}]})),
        "by reference": status.succeeded(stamp, [closed], completed(result=None, result_ref=ref, confidence=None)),
        "without confidence": status.succeeded(stamp, [closed], completed(confidence=None, confidence_reason="1e15")),
        "with thinking": status.succeeded(stamp, [closed], completed(reasoning_ref=ref, usage=THOUGHT)),
        "with sources": status.succeeded(stamp, [closed], completed(context_sources={"energy": "agent"})),
        "deliberation": status.succeeded(stamp, [closed], completed(deliberation=GOLDEN | {"members_ref": REF})),
        "with tools": status.succeeded(stamp, [closed], completed(operations=[CALL], artifacts=[KEPT])),
        "failed with tools": status.failed(
            stamp, "SideEffects", "lost", [lost], failed(operations=[CALL | {"error": "no"}], operations_ref=ref)
        ),
        "failed": status.failed(stamp, "ModelTimeout", "no answer", [lost], failed()),
        "failed deliberation": status.failed(stamp, "ModelTimeout", "n", [lost], failed(deliberation=FAILED_GOLDEN)),
        "shortened": status.running(status.Stamp({"attempts": [{"number": 0, "tokens": 5}]}, 1, NOW), [attempt()]),
        "refused": status.refused(stamp, "InputTooLarge", "too large"),
    }


@pytest.mark.parametrize("name", statuses())
def test_what_the_operator_writes_of_a_task_is_kept(name: str) -> None:
    written = merge_patch({}, statuses()[name])
    jsonschema.validate(written, strict(part("CognitiveTask", "status")))


def test_the_operator_writes_every_field_of_a_tasks_status() -> None:
    written = {key for patch in statuses().values() for key, value in patch.items() if value is not None}
    by_each_write = {"traceId"}
    assert written | by_each_write == set(part("CognitiveTask", "status")["properties"])


def test_what_the_operator_writes_of_an_agent_is_kept() -> None:
    agent = Agent.model_validate(agent_body())
    lease = Lease(
        worker="w0",
        agent_uid=AGENT_UID,
        submission_id="ca-1",
        mode="Embedded",
        started_at=NOW,
        renewed_at=NOW,
        ready=True,
        capacity=8,
        runtime_version="0",
    )
    conditions = [Condition.true(name, "Available", "It works.") for name in AgentCondition]
    known = Accounting(stream="2026", sequence=7, duration_seconds=2.5, qualities=(0.5,))
    sample = Sample().plus(0.5).plus(0.75)
    varied = VariantCounters(name="b", tasks_processed=2, tasks_succeeded=2, confidence=sample, duration_seconds=sample)
    variants = (VariantCounters(name="a"), varied)
    counted = Counters(tasks_processed=1, tasks_succeeded=1, accounting=known, variants=variants)
    counters = {"queued": 1, "running": 2} | counters_status(counted)
    written = agent_status(agent, {}, conditions, [lease], NOW) | counters
    written |= endpoints_status(agent, RayTarget("http://ray:8265")) | secret_status("shared-agent-secrets")
    written |= behaviour_status([LearntModel(endpoint="http://m/v1", model="m", refused=("top_p",), learnt_at=1.5)])
    written |= model_status(agent, "ca-sre-vllm", (1, 2), InferenceResult(ok=True, message="", first_token_s=0.25), NOW)
    jsonschema.validate(merge_patch({}, written), strict(part("CognitiveAgent", "status")))
    properties = part("CognitiveAgent", "status")["properties"]
    assert set(written) == set(properties)
    assert set(written["variants"][1]) == set(properties["variants"]["items"]["properties"])


def test_the_builders_of_the_tests_make_valid_resources() -> None:
    jsonschema.validate(agent_body()["spec"], strict(part("CognitiveAgent", "spec")))
    jsonschema.validate(task_body()["spec"], strict(part("CognitiveTask", "spec")))
