import json
import string
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cognitive_runtime.adapters.dspy.parsing import UnusableAnswer, parse_object, read_text

NAMES = ("thought", "proposed_solution", "confidence_score")
GOOD: dict[str, Any] = {"thought": "a", "proposed_solution": "b", "confidence_score": 0.5}
TEXT = json.dumps(GOOD)


@pytest.mark.parametrize(
    "answer",
    [
        TEXT,
        f"\ufeff {TEXT}\n",
        f"```json\n{TEXT}\n```",
        f"```\n{TEXT}\n```",
        f"Sure! Here is the JSON:\n```json\n{TEXT}\n```\nI hope {{it}} helps.",
        f"The answer is {TEXT} as asked.",
        f'<think>maybe {{"thought": "wrong"}}?</think>{TEXT}',
        f"[{TEXT}]",
        json.dumps({"answer": GOOD}),
        json.dumps({"output": {"result": GOOD}}),
        json.dumps({"Thought": "a", "Proposed Solution": "b", "confidence-score": 0.5}),
        f'{{"thought": "a"}} and then the whole: {TEXT}',
        json.dumps(GOOD | {"extra": {"deep": [1]}}),
        json.dumps(GOOD, indent=4),
    ],
)
def test_what_models_really_send_is_understood(answer: str) -> None:
    assert parse_object(answer, NAMES) == GOOD


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I cannot answer that.",
        TEXT[:-5],
        TEXT[:20],
        "{",
        "{" * 100_000,
        "[" * 100_000,
        '{"a":' * 50_000,
        "null",
        "42",
        '"thought"',
        '{"other": 1}',
        "{'thought': 'python'}",
        "```json\n```",
        "\x00\x01",
    ],
)
def test_what_cannot_be_understood_is_refused_without_its_text(answer: str) -> None:
    with pytest.raises(UnusableAnswer, match="no JSON object") as caught:
        parse_object(answer, NAMES)
    assert "python" not in str(caught.value)


def test_raw_control_characters_are_tolerated_and_kept() -> None:
    assert parse_object('{"thought": "a\tb\nc\x07"}', NAMES) == {"thought": "a\tb\nc\x07"}


def test_a_missing_field_is_left_to_the_check_of_the_outputs() -> None:
    assert parse_object('{"thought": "a", "proposed_solution": "b"}', NAMES) == {
        "thought": "a",
        "proposed_solution": "b",
    }


@pytest.mark.parametrize(
    ("number", "expected"),
    [("NaN", "NaN"), ("-Infinity", "-Infinity"), ("1e999", "1e999"), ("1e15", 1e15), ("9" * 5000, "9" * 5000)],
)
def test_numbers_that_are_none_become_text(number: str, expected: Any) -> None:
    assert parse_object(f'{{"confidence_score": {number}}}', NAMES) == {"confidence_score": expected}


def test_half_a_surrogate_pair_never_reaches_the_wire() -> None:
    found = parse_object(r'{"thought": "\ud83d and \ud83d\ude00", "proposed_solution": ["\udfff"]}', NAMES)
    assert found["thought"] == "\ufffd and 😀"
    json.dumps(found, ensure_ascii=False).encode()


def test_what_yaml_cannot_hold_never_reaches_the_wire() -> None:
    shown = "\t\n é 😀 \ufeff"
    every = "".join(map(chr, [*range(0x20), *range(0x7E, 0xA1), 0xFFFE, 0xFFFF]))
    text = json.dumps({"thought": shown + every, "proposed_solution": [every], "confidence_score": 1})
    found = parse_object(text, NAMES)
    assert found["thought"].startswith(shown)
    kubectls = json.dumps(found, ensure_ascii=False)
    assert yaml.safe_load(kubectls) == found


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
whole_texts = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Cn"], include_characters="\t\n\x00"))
prose = st.text(alphabet=st.sampled_from(string.ascii_letters + " .,:'\n故é"))


@given(thought=whole_texts, solution=whole_texts, before=prose, after=prose, fenced=st.booleans())
def test_an_object_is_found_unchanged_in_any_script_and_prose(
    thought: str, solution: str, before: str, after: str, fenced: bool
) -> None:
    expected = {"thought": thought, "proposed_solution": solution, "confidence_score": 0.5}
    text = json.dumps(expected, ensure_ascii=False)
    wrapped = f"```json\n{text}\n```" if fenced else text
    assert parse_object(f"{before}\n{wrapped}\n{after}", NAMES) == expected


@given(st.text())
def test_no_text_breaks_the_parser(answer: str) -> None:
    try:
        found = parse_object(answer, NAMES)
    except UnusableAnswer:
        return
    json.dumps(found, allow_nan=False).encode()


@given(value=json_values, cut=st.integers(min_value=0, max_value=60))
def test_no_json_breaks_the_parser_cut_off_or_whole(value: Any, cut: int) -> None:
    text = json.dumps({"thought": value})
    try:
        found = parse_object(text[: len(text) - cut], NAMES)
    except UnusableAnswer:
        return
    json.dumps(found, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (TEXT, "a"),
        ('{"Thought": " a "}', "a"),
        ('{"thought": "cut of', "cut of"),
        ('{"thought" : "cut \\u00e9 at \\"an\\n escape \\', 'cut é at "an\n escape'),
        ('{"thought": "cut \\u00', "cut \\u00"),
        ('{"thought": "whole", "proposed_solution": "cut', "whole"),
        ('{"thought": 5}', ""),
        ('{"proposed_solution": "cut', ""),
        ("thought", ""),
        ("", ""),
    ],
)
def test_one_text_is_read_from_an_answer_of_no_other_use(answer: str, text: str) -> None:
    assert read_text(answer, "thought") == text


@given(st.text())
def test_reading_one_text_never_fails(answer: str) -> None:
    assert isinstance(read_text('{"thought": "' + answer, "thought"), str)
