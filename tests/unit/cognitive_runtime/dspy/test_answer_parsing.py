import json
import string
import time
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from cognitive_runtime.adapters.dspy.answers.parsing import (
    MAX_ANSWER_CHARS,
    MAX_REPAIRED_CHARS,
    UnusableAnswer,
    parse_object,
    read_text,
)
from cognitive_runtime.adapters.dspy.answers.templates import is_template

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
        f'Perhaps {{"thought": "wrong"}}? {TEXT}',
        f"{json.dumps(GOOD | {'thought': 'draft'})} would do, but better is {TEXT}",
        f'{TEXT} as in {{"thought": "less"}}',
        f"A brace {{ in prose, then {TEXT}",
        f"{{{TEXT}}}",
        f"[{json.dumps(GOOD | {'thought': 'draft'})}, {TEXT}]",
        f"[{TEXT}]",
        f"{TEXT}\nThen run echo ${{VAR:?must be set}} and a{{color: dark red; top: 0}}.",
        f"In CSS a{{color: dark red; top: 0}}, so {TEXT}",
        json.dumps({"answer": GOOD}),
        json.dumps({"output": {"result": GOOD}}),
        json.dumps({"Thought": "a", "Proposed Solution": "b", "confidence-score": 0.5}),
        json.dumps({"thought": "a", "proposedSolution": "b", "CONFIDENCE_SCORE": 0.5}),
        json.dumps({"thought": "a", "proposed\\_solution": "b", "confidence\\_score": 0.5}),
        json.dumps({"thought": "a", "proposedSolution": "x", "proposed_solution": "b", "confidenceScore": 0.5}),
        f'{{"thought": "a"}} and then the whole: {TEXT}',
        json.dumps(GOOD | {"extra": {"deep": [1]}}),
        json.dumps(GOOD, indent=4),
    ],
)
def test_what_models_really_send_is_understood(answer: str) -> None:
    assert parse_object(answer, NAMES) == GOOD


NONE = "there is no JSON object in it with the expected fields"
ENDS = "it ends within an object"
BRACES = "it has too many braces outside of a JSON object"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("", NONE),
        ("I cannot answer that.", NONE),
        (TEXT[:-5], ENDS),
        (TEXT[:20], ENDS),
        (TEXT[:-5] + "0.", ENDS),
        (TEXT[:-5] + "nul", ENDS),
        (TEXT[:-1] + " /* and so", ENDS),
        (f"{TEXT} No, rather {TEXT[:40]}", ENDS),
        (f'{TEXT} No, rather {{"answer": {{"thou', ENDS),
        (f'{TEXT} No, rather {{"Proposed Solution": is b, "thought": "a"}}', NONE),
        ("{", NONE),
        ("{" * 100_000, BRACES),
        ("[" * 100_000, NONE),
        ('{"a":' * 50_000, BRACES),
        ("null", NONE),
        ("42", NONE),
        ('"thought"', NONE),
        ('{"other": 1}', NONE),
        ("{'other': 'python'}", NONE),
        ("```json\n```", NONE),
        ("\x00\x01", NONE),
        ('{"thought":' + '{"a":' * 800 + "1" + "}" * 801, "it is nested too deeply"),
    ],
)
def test_an_unreadable_answer_is_refused_without_its_text(answer: str, problem: str) -> None:
    with pytest.raises(UnusableAnswer) as caught:
        parse_object(answer, NAMES)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    "unit", ["{", '"', "'", "{'", '{"', '{"a":', '{"a":[', '{"a": 1 /*', "\\", '{"a": "b" c" ', "{a:1,"]
)
@pytest.mark.timeout(10)
def test_a_hostile_answer_of_8_mib_ends_soon(unit: str) -> None:
    for chars in (60_000, MAX_REPAIRED_CHARS, MAX_ANSWER_CHARS):
        begun = time.process_time()
        with pytest.raises(UnusableAnswer):
            parse_object(unit * (chars // len(unit)), NAMES)
        assert time.process_time() - begun < 3


@pytest.mark.timeout(10)
def test_a_large_value_within_many_objects_is_read_a_bounded_number_of_times() -> None:
    with pytest.raises(UnusableAnswer, match=f"^{BRACES}$"):
        parse_object('{"a":' * 900 + "[" + "1," * 700_000, NAMES)


@pytest.mark.parametrize("before", ["", "```json\n", "\ufeff", "\n"])
@pytest.mark.parametrize("after", ["", "\n" * 500, "\n```", "\n``` \n"])
def test_a_whole_answer_before_the_cut_is_the_answer(before: str, after: str) -> None:
    assert parse_object(f"{before}{TEXT}{after}", NAMES, is_truncated=True) == GOOD


@pytest.mark.parametrize(
    "answer",
    [
        f"A first form is {TEXT} but it is wrong. The answer:\n{TEXT[:30]}",
        f"A first form is {TEXT} but it is wro",
        f"A first form is {TEXT}",
        f"{TEXT}\n{TEXT[:30]}",
        f"{TEXT}, ",
        f"[{TEXT}",
        f'{{"drafts": [{TEXT}',
        TEXT[:-1],
        TEXT[:-1] + ",}",
        TEXT.replace('"', "'"),
        json.dumps({"json": TEXT[:-1] + ",}"}),
        '{"thought": "...", "proposed_solution": "..."}',
        "",
    ],
)
def test_nothing_else_of_an_answer_that_was_cut_off_is_accepted(answer: str) -> None:
    with pytest.raises(UnusableAnswer, match=r"^it was cut off$"):
        parse_object(answer, NAMES, is_truncated=True)


def test_raw_control_characters_are_tolerated_and_kept() -> None:
    assert parse_object('{"thought": "a\tb\nc\x07"}', NAMES) == {"thought": "a\tb\nc\x07"}


def test_another_spelling_never_fills_a_field_that_could_mean_two() -> None:
    assert parse_object('{"x_1": "a", "X1": "b"}', ["x_1", "x1"]) == {"x_1": "a"}


def test_a_missing_field_is_left_to_the_check_of_the_outputs() -> None:
    assert parse_object('{"thought": "a", "proposed_solution": "b"}', NAMES) == {
        "thought": "a",
        "proposed_solution": "b",
    }


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("1e999", "1e999"),
        ("1e15", 1e15),
        ("1764250000000000000", 1764250000000000000),
        ("-9223372036854775808", -(2**63)),
        ("-9223372036854775809", "-9223372036854775809"),
        ("9223372036854775807", 2**63 - 1),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", "18446744073709551616"),
        ("9" * 10_000, "9" * 10_000),
        ("-" + "9" * 10_000, "-" + "9" * 10_000),
    ],
)
@pytest.mark.parametrize("end", ["}", ",}"])
def test_integers_of_64_bits_stay_and_numbers_that_are_none_become_text(number: str, expected: Any, end: str) -> None:
    found = parse_object(f'{{"confidence_score": {number}{end}', NAMES)
    assert found == {"confidence_score": expected}
    assert type(found["confidence_score"]) is type(expected)


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
    assume(not is_template(expected))
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
