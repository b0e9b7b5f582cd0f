"""Custom task types in the core: prompt, schema, answer and cache of built modules."""

import json
from typing import Any

import pytest

from cognitive_runtime.adapters.dspy import CognitiveCore
from cognitive_runtime.adapters.dspy.schemas.signature_outputs import answer_schema, bounds_for
from cognitive_runtime.adapters.dspy.signatures.inputs import signature_inputs
from cognitive_runtime.adapters.dspy.signatures.modules import MAX_BUILT, SignatureModules, build_module
from cognitive_runtime.adapters.dspy.signatures.task_modules import TaskModules
from cognitive_runtime.domain import (
    CognitiveTaskType,
    Demonstration,
    ExecutionRequest,
    InvalidRequest,
    OutputParseError,
    Reasoning,
    TaskSignature,
    VLLMRequest,
)
from cognitive_runtime.domain.cache_key import cache_key
from support.builders.runtime_requests import execution_request
from support.builders.signatures import ANSWER, snapshot, task_signature
from support.fakes.model_client import Answer, FakeModel, prompt, response

INPUT = {"ticket": "The cart is slow."}
THOUGHT = {"reasoning": "The cache is cold."}
PLAIN: dict[str, Any] = {"module": "Predict", "demonstrations": []}


def request(
    signature: TaskSignature | None = None, given: dict[str, Any] | None = None, **fields: Any
) -> ExecutionRequest:
    found = signature or task_signature()
    return execution_request(CognitiveTaskType.CUSTOM, signature=found, input=given or INPUT, **fields)


async def answered(
    *answers: Answer, signature: TaskSignature | None = None, **fields: Any
) -> tuple[Reasoning, FakeModel]:
    model = FakeModel(*answers)
    return await CognitiveCore(model).reason(request(signature, **fields)), model


async def test_the_answer_has_the_names_of_the_signature_and_the_thought_is_apart() -> None:
    found, model = await answered({**THOUGHT, **ANSWER, "unasked": 1})
    assert found.outputs == ANSWER
    assert list(found.outputs) == list(ANSWER)
    assert (found.thought, found.confidence, found.confidence_reason) == (THOUGHT["reasoning"], 0.8, None)
    assert (found.usage.total_tokens, found.repaired, model.calls) == (15, False, 1)


async def test_the_prompt_has_instructions_descriptions_types_and_bounds() -> None:
    _, model = await answered({**THOUGHT, **ANSWER})
    system = model.requests[0].messages[0].content
    for expected in (
        "Triage a ticket.\nName the worst problem first.",
        "- ticket: The ticket as it was written.",
        '- severity (one of "low", "high"): How bad it is.',
        "- score (number from 0 to 10)",
        "- summary (text of at most 80 characters)",
        "- is_urgent (true or false)",
        "- owner (text, or null)",
        "- confidence (number from 0 to 1)",
        '"description": "Kind of the component."',
        '{"maximum": 65535, "minimum": 1, "type": "integer"}',
    ):
        assert expected in system
    assert system.index("- reasoning (text)") < system.index("- severity")
    assert "affected_users" not in system


async def test_the_schema_has_every_field_its_description_and_its_bounds() -> None:
    _, model = await answered(ANSWER, signature=task_signature(**PLAIN))
    schema = model.requests[0].json_schema
    assert schema is not None
    assert schema["required"] == [each["name"] for each in snapshot()["outputs"]]
    found = schema["properties"]
    assert found["severity"] == {"enum": ["low", "high"], "type": "string", "description": "How bad it is."}
    assert found["score"] == {"type": "number", "minimum": 0, "maximum": 10}
    assert found["owner"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    component = found["component"]
    assert component["properties"]["class"] == {"type": "string", "description": "Kind of the component."}
    assert component["properties"]["port"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 65535}
    assert (component["required"], component["additionalProperties"]) == (["class", "port"], False)
    assert (found["causes"]["maxItems"], found["confidence"]) == (3, {"type": "number", "minimum": 0, "maximum": 1})


async def test_demonstrations_stand_before_the_task_in_its_form() -> None:
    _, model = await answered({**THOUGHT, **ANSWER})
    messages = model.requests[0].messages
    assert [each.role for each in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    first, second = snapshot()["demonstrations"]
    assert [json.loads(each.content) for each in messages[1:]] == [
        first["input"], first["output"], second["input"], second["output"], INPUT,
    ]  # fmt: skip


async def test_context_and_constraints_reach_the_prompt() -> None:
    constraints = {"rubric": "Short.", "region": "eu", "timeout": 3}
    _, model = await answered({**THOUGHT, **ANSWER}, constraints=constraints, context={"memory": {"memory_writes": 7}})
    given = json.loads(model.requests[0].messages[-1].content)
    assert given == {
        "memory_context": {"memory_writes": 7},
        "ticket": INPUT["ticket"],
        "rubric": "Short.",
        "further_constraints": {"region": "eu"},
    }


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"score": 11}, "score: input should be less than or equal to 10"),
        ({"score": True}, "score: input should be a number, not true or false"),
        ({"severity": "awful"}, "severity: input should be 'low' or 'high'"),
        ({"summary": "x" * 81}, "summary: string should have at most 80 characters"),
        ({"summary": ""}, "summary: string should have at least 1 character"),
        ({"component": {"class": "a", "port": 0}}, "component.port: input should be greater than or equal to 1"),
        ({"component": {}}, "component.class: field required"),
        ({"causes": [{"cause": "c", "odds": 2}]}, "causes.0.odds: input should be less than or equal to 1"),
        ({"causes": [{"cause": "c", "odds": 0.5}] * 4}, "causes: list should have at most 3 items"),
    ],
)
async def test_an_answer_out_of_its_bounds_is_repaired_once(wrong: dict[str, Any], said: str) -> None:
    signature = task_signature(**PLAIN)
    found, model = await answered(ANSWER | wrong, ANSWER, signature=signature)
    assert (found.outputs, found.repaired) == (ANSWER, True)
    assert said in model.requests[1].messages[-1].content
    with pytest.raises(OutputParseError, match="not a valid triage"):
        await answered(ANSWER | wrong, signature=signature)


async def test_absent_optional_values_are_left_out_at_every_level() -> None:
    answer = ANSWER | {"owner": None, "component": {"class": "service", "port": None}}
    found, _ = await answered(answer, signature=task_signature(**PLAIN))
    assert found.outputs == ANSWER


@pytest.mark.parametrize(
    ("answer", "value", "reason"),
    [
        ("85%", 0.85, None),
        (85, None, "the model answered 85; a confidence is a number from 0 to 1"),
        (None, None, "the model gave no confidence"),
    ],
)
async def test_a_confidence_is_read_and_never_invented(answer: Any, value: float | None, reason: str | None) -> None:
    found, model = await answered(ANSWER | {"confidence": answer}, signature=task_signature(**PLAIN))
    assert (found.confidence, found.confidence_reason, model.calls) == (value, reason, 1)
    assert found.outputs.get("confidence") == value


@pytest.mark.parametrize("name", ["confidence_score", "confidence_level", "certainty"])
async def test_an_output_of_another_name_is_a_number_and_no_confidence(name: str) -> None:
    fields = [{"name": name, "type": "number", "optional": True, "maximum": 100}]
    signature = task_signature(**PLAIN, outputs=fields)
    found, _ = await answered({name: 85}, signature=signature)
    assert (found.outputs, found.confidence) == ({name: 85}, None)
    assert found.confidence_reason == "this task type asks for no confidence"
    with pytest.raises(OutputParseError, match=name):
        await answered({name: 101}, signature=signature)


async def test_a_plain_prediction_has_no_thought_but_that_of_a_thinking_model() -> None:
    found, _ = await answered(response(json.dumps(ANSWER), reasoning="Hm."), signature=task_signature(**PLAIN))
    assert (found.thought, found.native_reasoning, found.outputs) == ("", "Hm.", ANSWER)


async def test_react_without_tools_takes_its_steps_and_then_answers() -> None:
    step = {"next_thought": "Nothing to look up.", "next_tool_name": "finish", "next_tool_args": {}}

    def by(asked: VLLMRequest) -> Answer:
        return step if "next_tool_name" in str(asked.json_schema) else {**THOUGHT, **ANSWER}

    model = FakeModel(by=by)
    found = await CognitiveCore(model).reason(request(task_signature(module="ReAct")))
    assert (found.outputs, found.thought, found.confidence) == (ANSWER, THOUGHT["reasoning"], 0.8)
    assert (model.calls, found.usage.total_tokens) == (2, 30)
    assert "the tool must be one of" in prompt(model.requests[0])
    assert "Nothing to look up." in model.requests[1].messages[-1].content
    assert "Database down" in prompt(model.requests[1])


@pytest.mark.parametrize("module", ["Predict", "ChainOfThought", "ReAct"])
@pytest.mark.parametrize("name", ["copy", "json", "class", "model_dump", "fields"])
async def test_a_property_may_have_any_name(module: str, name: str) -> None:
    fields = {
        "inputs": [{"name": "ticket", "type": "string"}],
        "outputs": [{"name": "found", "type": "object", "properties": [{"name": name, "type": "string"}]}],
    }
    value = {"found": {name: "value"}}

    def by(asked: VLLMRequest) -> Answer:
        step = {"next_thought": "t", "next_tool_name": "finish", "next_tool_args": {}}
        return step if "next_tool_name" in str(asked.json_schema) else {**THOUGHT, **value}

    signature = task_signature(**fields, module=module, demonstrations=[])
    found = await CognitiveCore(FakeModel(by=by)).reason(request(signature))
    assert found.outputs == value


async def test_an_input_that_does_not_match_calls_no_model() -> None:
    model = FakeModel("x")
    with pytest.raises(InvalidRequest, match=r"input\.ticket must be a text \(signature triage\)"):
        await CognitiveCore(model).reason(request(given={"ticket": 1}))
    assert model.calls == 0


async def test_the_output_of_a_task_stands_beside_the_outputs_of_the_signature() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    answer = {**THOUGHT, **ANSWER, "output": {"n": 1}}
    found, _ = await answered(answer, output_schema=schema)
    assert found.outputs == ANSWER | {"output": {"n": 1}}
    assert found.output_valid is True


def test_a_module_is_built_once_for_each_generation_and_content() -> None:
    modules = SignatureModules()
    first = modules.of(task_signature())
    assert modules.of(task_signature()) is first
    others = [task_signature(generation=5), task_signature(name="other"), task_signature(instructions="Other.")]
    assert all(modules.of(each) is not first for each in others)
    for number in range(MAX_BUILT):
        modules.of(task_signature(**PLAIN, generation=100 + number))
    assert modules.of(task_signature()) is not first


def test_the_content_of_a_signature_is_part_of_the_cache_key() -> None:
    modules = TaskModules()
    requests = [request(each) for each in (task_signature(), task_signature(instructions="Other."))]
    keys = {cache_key(each, "the same version").digest for each in requests}
    versions = {modules.of(each).version for each in requests}
    assert (len(keys), len(versions)) == (2, 2)


def test_the_bounded_schema_has_bounds_for_every_text_and_list() -> None:
    signature = build_module(task_signature()).task.signature
    schema = answer_schema(signature, bounds_for(signature, 1024))
    assert schema is not None
    found = schema["properties"]
    assert found["summary"]["pattern"].endswith("{1,80}$")
    assert found["component"]["properties"]["class"]["pattern"]
    assert found["component"]["required"] == ["class"]
    assert found["causes"]["maxItems"] == 3
    assert list(found) == ["reasoning", *(each["name"] for each in snapshot()["outputs"])]


def test_a_custom_request_has_a_signature_and_no_other_one_has() -> None:
    with pytest.raises(InvalidRequest, match="signature must be there for the type custom, and only then"):
        execution_request(CognitiveTaskType.CUSTOM, input=INPUT)
    with pytest.raises(InvalidRequest, match="signature must be there for the type custom, and only then"):
        execution_request(signature=task_signature())


@pytest.mark.parametrize("kind", [CognitiveTaskType.CUSTOM, CognitiveTaskType.PROPOSAL])
def test_an_agent_has_no_demonstrations_of_types_without_a_signature_of_their_own(kind: CognitiveTaskType) -> None:
    with pytest.raises(InvalidRequest, match=r"agent\.demonstrations"):
        Demonstration(kind, {}, {})


def test_the_inputs_of_a_custom_task_are_those_of_its_input() -> None:
    found = signature_inputs(request(given=INPUT | {"affected_users": 3}))
    assert {name: value for name, value in found.items() if value is not None} == INPUT | {"affected_users": 3}
