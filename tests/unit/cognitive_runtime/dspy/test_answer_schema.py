import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_runtime.adapters.dspy.answers.parsing import parse_object
from cognitive_runtime.adapters.dspy.answers.validation import check_outputs
from cognitive_runtime.adapters.dspy.schemas.signature_outputs import (
    BRIEF_CHARS_PER_TOKEN,
    Bounds,
    answer_schema,
    bounds_for,
)
from cognitive_runtime.adapters.dspy.schemas.text_pattern import MAX_TEXT_CHARS, printable_pattern
from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.domain import CognitiveTaskType
from support.servers.scripted_model_answers import answer_for

RARE = "\U00010330"
"""A letter of four bytes, for which a model may need as many tokens."""


def bounded(task_type: CognitiveTaskType, bounds: Bounds) -> dict[str, Any]:
    schema = answer_schema(SIGNATURES[task_type].signature, bounds)
    assert schema is not None
    return schema


def longest_answer(task_type: CognitiveTaskType, bounds: Bounds, letter: str) -> tuple[int, int]:
    """Return the bytes of the longest answer that the schema passes, and the tokens of its names."""
    properties = bounded(task_type, bounds)["properties"]
    longest = {name: longest_value(part, letter) for name, part in properties.items()}
    return sum(len(str(value).encode()) for value in longest.values()), sum(len(name) // 3 + 5 for name in longest)


def longest_value(part: dict[str, Any], letter: str) -> Any:
    if part["type"] == "array":
        return [longest_value(part["items"], letter)] * part["maxItems"]
    if part["type"] == "string":
        return letter * max(n for n in range(1, MAX_TEXT_CHARS + 50) if re.search(part["pattern"], letter * n))
    return answer_for(part)


@pytest.mark.parametrize("task_type", SIGNATURES)
@pytest.mark.parametrize("max_tokens", [256, 512, 1024, 4096])
def test_the_longest_answer_fits_a_token_for_each_character(task_type: CognitiveTaskType, max_tokens: int) -> None:
    bounds = bounds_for(SIGNATURES[task_type].signature, max_tokens)
    assert sum(longest_answer(task_type, bounds, "9")) <= max_tokens
    assert sum(longest_answer(task_type, bounds, RARE)) > max_tokens


@pytest.mark.parametrize("task_type", SIGNATURES)
@pytest.mark.parametrize("max_tokens", [512, 1024, 4096])
def test_a_brief_answer_fits_a_token_for_each_byte_in_every_script(
    task_type: CognitiveTaskType, max_tokens: int
) -> None:
    bounds = bounds_for(SIGNATURES[task_type].signature, max_tokens, BRIEF_CHARS_PER_TOKEN)
    assert sum(longest_answer(task_type, bounds, RARE)) <= max_tokens


@pytest.mark.parametrize("task_type", SIGNATURES)
def test_every_string_has_a_pattern_every_list_a_maximum_and_nothing_else_is_allowed(
    task_type: CognitiveTaskType,
) -> None:
    signature = SIGNATURES[task_type].signature
    schema = bounded(task_type, bounds_for(signature, 1024))
    assert schema["required"] == list(signature.output_fields) == list(schema["properties"])
    assert schema["additionalProperties"] is False
    for part in schema["properties"].values():
        if part["type"] == "string":
            assert "pattern" in part
        elif part["type"] == "array":
            assert "pattern" in part["items"]
            assert 1 <= part["maxItems"] <= 5
        else:
            assert part["type"] in ("integer", "number")
            assert {"minimum", "maximum"} <= set(part)
    assert "maxLength" not in json.dumps(schema)
    assert "anyOf" not in json.dumps(schema)


@pytest.mark.parametrize("task_type", SIGNATURES)
def test_the_smallest_answer_to_the_schema_satisfies_the_outputs(task_type: CognitiveTaskType) -> None:
    signature = SIGNATURES[task_type].signature
    answer = json.dumps(answer_for(bounded(task_type, bounds_for(signature, 1024))))
    check_outputs(signature, parse_object(answer, signature.output_fields))


def test_even_the_smallest_budget_leaves_room_for_words() -> None:
    bounds = bounds_for(SIGNATURES[CognitiveTaskType.TASK_PLANNING].signature, 1)
    assert bounds.text_chars >= 24
    assert bounds.item_chars >= 16


def test_a_large_budget_is_bounded_for_the_grammar() -> None:
    assert bounds_for(SIGNATURES[CognitiveTaskType.FAILURE_ANALYSIS].signature, 128_000).text_chars == MAX_TEXT_CHARS


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), min_size=1, max_size=40)
)
def test_the_pattern_passes_printable_text_of_every_script(text: str) -> None:
    assert re.search(printable_pattern(40), text)
    assert json.loads(f'"{text}"') == text


@pytest.mark.parametrize(
    ("least", "most"),
    [(1, 128), (1, 129), (1, 218), (1, 1500), (200, 200), (128, 300), (129, 129), (256, 1400), (1500, 1500)],
)
def test_a_long_pattern_keeps_its_bounds_without_a_long_repetition(least: int, most: int) -> None:
    pattern = printable_pattern(most, least)
    lengths = [n for n in range(MAX_TEXT_CHARS + 50) if re.search(pattern, "é" * n)]
    assert lengths == list(range(least, lengths[-1] + 1))
    assert most - 12 <= lengths[-1] <= most
    assert max(int(n) for bounds in re.findall(r"\{([\d,]+)\}", pattern) for n in bounds.split(",")) <= 128


@pytest.mark.parametrize("text", ["", "a\nb", "a\tb", "\x00", "\x1f", "\x7f", 'a"b', "a\\b", "x" * 41])
def test_the_pattern_refuses_what_json_must_escape(text: str) -> None:
    assert not re.search(printable_pattern(40), text)
