"""The checks of each case tell its right answer from its wrong ones, and no case repeats a text of the product."""

import ast
import json
import re
from collections import Counter
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.adapters.dspy.signatures.prompt import system_message
from cognitive_runtime.domain import CognitiveTaskType
from evaluation.cases import TOOL_DIRECTORY, Case, load_cases, selected
from evaluation.checks import Answer, read_check, text_of
from evaluation.tool_loops import DATA, INSTRUCTIONS

ROOT = Path(__file__).parents[3]
CASES = load_cases()
TOOL_CASES = load_cases(TOOL_DIRECTORY)
BOTH = [*CASES, *TOOL_CASES]
WORDS = 6
"""Length of the sequences of words that no case may share with a prompt, a demonstration or an example."""


def test_there_are_ten_cases_of_each_type() -> None:
    assert Counter(case.task_type for case in CASES) == {each.value: 10 for each in SIGNATURES}


def test_the_twelve_cases_with_tools_are_a_type_of_their_own() -> None:
    assert Counter(case.task_type for case in TOOL_CASES) == {"tools": 12}
    assert all(case.tools for case in TOOL_CASES)
    assert not any(case.tools for case in CASES)
    assert len({case.id for case in BOTH}) == len(BOTH)


@pytest.mark.parametrize("case", TOOL_CASES, ids=lambda case: case.id)
def test_answers_with_tools_have_a_text_and_calls(case: Case) -> None:
    assert len(case.wrong) == 2
    assert [set(answer) for answer in (case.right, *case.wrong)] == [{"answer", "calls"}] * 3


@pytest.mark.parametrize("case", TOOL_CASES, ids=lambda case: case.id)
def test_a_right_answer_without_its_calls_is_not_enough(case: Case) -> None:
    """A model that guesses a fact has not shown that it can use tools."""
    passes = all(case.held({**case.right, "calls": []}).values())
    assert passes is (case.id == "no-tool-is-needed")


@pytest.mark.parametrize("case", BOTH, ids=lambda case: case.id)
def test_the_right_answer_holds_all_checks(case: Case) -> None:
    assert [name for name, holds in case.held(case.right).items() if not holds] == []


@pytest.mark.parametrize(("case", "wrong"), [(case, wrong) for case in BOTH for wrong in case.wrong])
def test_a_plausible_wrong_answer_fails_a_check(case: Case, wrong: Answer) -> None:
    assert not all(case.held(wrong).values()), wrong


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_right_and_wrong_answers_have_the_fields_of_their_type(case: Case) -> None:
    outputs = set(SIGNATURES[CognitiveTaskType(case.task_type)].signature.output_fields)
    assert len(case.wrong) == 2
    assert [set(answer) for answer in (case.right, *case.wrong)] == [outputs] * 3


@pytest.mark.parametrize("case", BOTH, ids=lambda case: case.id)
def test_an_empty_answer_holds_no_check(case: Case) -> None:
    assert not any(case.held({}).values())


def sequences(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[^\W_]+", text.lower())
    return {tuple(words[start : start + WORDS]) for start in range(len(words) - WORDS + 1)}


def product_texts() -> list[str]:
    """Return prompts, demonstrations and examples."""
    signatures = [found.signature for found in SIGNATURES.values()]
    prompts = [system_message("", each, dict.fromkeys(each.input_fields, ""), None) for each in signatures]
    prompts += [INSTRUCTIONS, DATA]
    files = [*(ROOT / "examples").rglob("*.yaml"), ROOT / "hack" / "demo" / "demonstrations.yaml"]
    values = [yaml.safe_load_all(path.read_text(encoding="utf-8")) for path in files]
    return [*prompts, *(text_of(value) for value in chain(*values))]


def test_no_case_shares_text_with_a_prompt_a_demonstration_or_an_example() -> None:
    known = set().union(*map(sequences, product_texts()))
    assert len(known) > 1000
    parts: dict[str, Any] = {case.id: [case.input, case.right, *case.wrong] for case in BOTH}
    parts |= {f"tools of {case.id}": [asdict(each) for each in case.tools] for case in TOOL_CASES}
    shared = {case_id: sequences(text_of(each)) & known for case_id, found in parts.items() for each in found}
    assert {case_id: found for case_id, found in shared.items() if found} == {}


def test_the_runner_uses_only_the_librarys_public_names() -> None:
    """Older cores are measured by the same runner. The loops with tools are imported only for a core with tools."""
    public = {"cognitive_runtime", "cognitive_runtime.cognitive_core", "cognitive_runtime.llm_config"}
    used = {path.name: runtime_modules(path) for path in (ROOT / "hack" / "evaluation").glob("*.py")}
    adapters = {"cognitive_runtime.adapters.dspy", "cognitive_runtime.adapters.model", "cognitive_runtime.domain"}
    assert used.pop("react_tools.py") - public == adapters
    assert used.pop("native_tools.py") - public == {"cognitive_runtime.adapters.model.endpoint"}
    assert set().union(*used.values()) <= public


def runtime_modules(path: Path) -> set[str]:
    """Return the modules of the runtime that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    modules |= {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return {name for name in modules if name.startswith("cognitive")}


def test_cases_are_selected_by_type_id_and_number() -> None:
    assert len(selected(CASES, [], [], 2)) == 12
    assert {case.task_type for case in selected(CASES, ["task_planning"], [], None)} == {"task_planning"}
    assert [case.id for case in selected(CASES, [], ["clock-skew"], None)] == ["clock-skew"]


def holds(rule: dict[str, Any], answer: Answer, options: tuple[str, ...] = ()) -> bool:
    return read_check({"name": "n", **rule}, options).holds(answer)


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        ("Patch tonight.", True),
        ("I decide: patch   tonight", True),
        ("patch", False),
        ("patch tonight or wait", False),
        ("patch tonight with care", False),
        ("", False),
    ],
)
def test_a_decision_names_the_option_and_no_other(decision: str, expected: bool) -> None:
    options = ("patch tonight", "wait", "patch tonight with care")
    assert holds({"field": "decision", "option": "patch tonight"}, {"decision": decision}, options) is expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(["back up", "move", "check"], True), (["move", "back up", "check"], False), (["back up", "move"], False)],
)
def test_ordered_steps_follow_each_other(steps: list[str], expected: bool) -> None:
    rule = {"field": "plan", "ordered": True, "steps": ["back", "move", "check"]}
    assert holds(rule, {"plan": steps}) is expected
    assert holds({**rule, "ordered": False}, {"plan": steps[::-1]}) is (len(steps) == 3)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.2, True), (0.6, False), (None, False), ("0.2", False), (True, False)]
)
def test_a_number_is_in_its_range(value: Any, expected: bool) -> None:
    assert holds({"field": "confidence", "from": 0, "to": 0.5}, {"confidence": value}) is expected


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"field": "a", "al": ["x"]}, "expected name and one of"),
        ({"all": ["x"]}, "expected field or fields"),
        ({"field": "a", "all": ["("]}, "no regular expression"),
        ({"field": "a", "option": "z"}, "none of the case's options"),
    ],
)
def test_an_invalid_check_is_named(rule: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_check({"name": "n", **rule}, ["a", "b"])


def test_a_case_without_a_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "task_planning.yaml").write_text(json.dumps([{"id": "lacks", "input": {}, "checks": [], "right": {}}]))
    with pytest.raises(ValueError, match="case lacks: missing or unknown keys: wrong"):
        load_cases(tmp_path)
