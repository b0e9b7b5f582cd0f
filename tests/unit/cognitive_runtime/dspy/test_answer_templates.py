"""Objects that repeat the form of an answer are no answer, and real answers are never taken for one."""

import json
from typing import Any

import pytest

from cognitive_runtime.adapters.dspy.answers.parsing import UnusableAnswer, parse_object
from cognitive_runtime.adapters.dspy.answers.validation import check_outputs
from cognitive_runtime.adapters.dspy.calls.adapter import JSONAnswerAdapter
from cognitive_runtime.adapters.dspy.schemas.signature_outputs import description, free_schema
from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES, FailureAnalysis
from cognitive_runtime.domain import CognitiveTaskType

NAMES = tuple(FailureAnalysis.output_fields)
GOOD: dict[str, Any] = {"thought": "DNS is down", "proposed_solution": "restart coredns", "confidence_score": 0.8}
REFUSED = "it has a template or a schema in place of the expected fields"
TEMPLATES: list[dict[str, Any]] = [
    {"thought": "...", "proposed_solution": "...", "confidence_score": 0.0},
    {"thought": "…", "proposed_solution": "…", "confidence_score": "..."},
    {"thought": "<the cause>", "proposed_solution": "<what to do>", "confidence_score": "<number>"},
    {"thought": "string", "proposed_solution": "string", "confidence_score": "number"},
    {"thought": "str", "proposed_solution": "str", "confidence_score": "float (0 to 1)"},
    {"thought": "your reasoning here", "proposed_solution": "your solution here", "confidence_score": 0.5},
    {"thought": "<...>", "proposed_solution": "<...>", "confidence_score": "<0.0-1.0>"},
    {"thought": "TBD", "proposed_solution": "TODO", "confidence_score": 0.5},
    {"thought": "[your analysis]", "proposed_solution": "[solution]", "confidence_score": 0.5},
    {"thought": "{thought}", "proposed_solution": "{proposed_solution}", "confidence_score": "{confidence_score}"},
    {"thought": "{{thought}}", "proposed_solution": "${proposed_solution}", "confidence_score": 1},
    {"thought": "thought", "proposed_solution": "proposed_solution", "confidence_score": 0},
    {"thought": "", "proposed_solution": "...", "confidence_score": 0},
    {"thought": "...", "proposed_solution": ["...", "..."]},
    {"thought": "<why it failed>"},
    {"thought": "text", "proposed_solution": "text", "confidence_score": "number from 0 to 1"},
    {"thought": "(text)", "proposed_solution": "(string)", "confidence_score": 0.0},
    {"thought": "thought text", "proposed_solution": "your solution here", "confidence_score": 0.0},
]
BARE = [
    '{"thought": ..., "proposed_solution": ..., "confidence_score": ...}',
    '{"thought": <text>, "proposed_solution": <what to do>, "confidence_score": <number>}',
    "{\n  thought: string; // why\n  proposed_solution: string;\n  confidence_score?: number;\n}",
    "{thought: str, proposed_solution: list[str], confidence_score: float}",
    '{"thought": ..., "proposed_solution": [..., ...], "confidence_score": …}',
]
SCHEMAS: list[dict[str, Any]] = [
    free_schema(FailureAnalysis),
    {"title": "Answer", "properties": {"thought": {"type": "string"}}, "required": ["thought"]},
    {"json_schema": {"name": "answer", "schema": free_schema(FailureAnalysis)}},
    free_schema(FailureAnalysis)["properties"],
    {name: {"type": ["string", "null"], "description": "Text."} for name in NAMES},
    {name: {"$ref": "#/$defs/x"} for name in NAMES},
]


@pytest.mark.parametrize("template", [*TEMPLATES, *SCHEMAS[3:]])
def test_a_template_alone_is_refused(template: dict[str, Any]) -> None:
    with pytest.raises(UnusableAnswer) as caught:
        parse_object(json.dumps(template), NAMES)
    assert str(caught.value) == REFUSED


@pytest.mark.parametrize("bare", BARE)
def test_bare_placeholders_are_passed_over_and_no_answer(bare: str) -> None:
    for text in (f"{bare}\n{json.dumps(GOOD)}", f"{json.dumps(GOOD)}\nas in {bare}"):
        assert parse_object(text, NAMES) == GOOD
    with pytest.raises(UnusableAnswer):
        parse_object(bare, NAMES)


@pytest.mark.parametrize("task_type", SIGNATURES)
def test_the_descriptions_of_the_fields_are_no_answer(task_type: CognitiveTaskType) -> None:
    signature = SIGNATURES[task_type].signature
    names = {name: description(info) for name, info in signature.output_fields.items()}
    for echoed in (names, names | dict.fromkeys([*names][1:], "text")):
        with pytest.raises(UnusableAnswer, match=REFUSED):
            JSONAnswerAdapter().parse(signature, json.dumps(echoed))
    some = names | {next(iter(names)): "an answer"}
    assert parse_object(json.dumps(some), names, descriptions=names) == some


@pytest.mark.parametrize("blank", [dict.fromkeys(NAMES, ""), dict.fromkeys(NAMES), {"thought": " ", NAMES[2]: 0}])
def test_an_empty_form_after_the_answer_is_passed_over(blank: dict[str, Any]) -> None:
    assert parse_object(f"{json.dumps(GOOD)} {json.dumps(blank)}", NAMES) == GOOD


@pytest.mark.parametrize("schema", SCHEMAS[:3])
def test_an_echoed_schema_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(UnusableAnswer):
        parse_object(json.dumps(schema), NAMES)


@pytest.mark.parametrize("template", [*TEMPLATES, *SCHEMAS])
@pytest.mark.parametrize("order", ["{0}\n{1}", "{1}\n{0}", "Form: {0}, so:\n```json\n{1}\n```", "{1}\nas in {0}."])
def test_a_template_beside_the_answer_is_passed_over(template: dict[str, Any], order: str) -> None:
    assert parse_object(order.format(json.dumps(template), json.dumps(GOOD)), NAMES) == GOOD


@pytest.mark.parametrize(
    "answer",
    [
        {"thought": "...", "proposed_solution": "restart coredns", "confidence_score": 0.5},
        {"thought": "The key <none> is missing", "proposed_solution": "<none>", "confidence_score": 0.5},
        {"thought": "string", "proposed_solution": "cast the string to a number", "confidence_score": 0.5},
        {"thought": "none"},
        {"thought": None, "proposed_solution": None},
        {"thought": "a", "proposed_solution": "the value"},
        {"thought": "thought a", "proposed_solution": "solution b"},
        {"thought": "[1, 2]"},
        {"thought": "<br>"},
        {"thought": "{x}"},
        {"thought": "", "proposed_solution": ""},
        {"thought": 5, "proposed_solution": None},
        {"thought": {"type": "Deployment", "name": "web"}, "proposed_solution": {"type": "Pod"}},
    ],
)
def test_an_answer_that_resembles_a_template_is_kept(answer: dict[str, Any]) -> None:
    assert parse_object(json.dumps(answer), NAMES) == answer


@pytest.mark.parametrize("task_type", SIGNATURES)
def test_the_schema_of_no_task_type_is_an_answer(task_type: CognitiveTaskType) -> None:
    signature = SIGNATURES[task_type].signature
    for echoed in (free_schema(signature), free_schema(signature)["properties"]):
        with pytest.raises(UnusableAnswer):
            check_outputs(signature, parse_object(json.dumps(echoed), signature.output_fields))
