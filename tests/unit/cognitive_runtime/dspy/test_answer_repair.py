"""Repair of JSON as models write it: nothing invented, nothing lost."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cognitive_runtime.adapters.dspy.answers.json_values import mended
from cognitive_runtime.adapters.dspy.answers.parsing import UnusableAnswer, parse_object
from cognitive_runtime.adapters.dspy.answers.templates import is_template

NAMES = ("cause", "steps", "score")
GOOD: dict[str, Any] = {"cause": "the disk is full", "steps": ["df -h", "rm old logs"], "score": 0.75}


def read(answer: str) -> dict[str, Any]:
    return parse_object(answer, NAMES)


@pytest.mark.parametrize(
    ("answer", "repairs"),
    [
        ('{"cause": "the disk is full", "steps": ["df -h", "rm old logs",], "score": 0.75,}', {"commas": 2}),
        ('{"cause": "the disk is full"\n"steps": ["df -h",\n"rm old logs"]\n"score": 0.75}', {"commas": 2}),
        ('{"cause": "the disk is full" "steps": ["df -h", "rm old logs"], "score": 0.75}', {"commas": 1}),
        ('{"cause": "the disk is full",, "steps": ["df -h", "rm old logs"], "score": 0.75}', {"commas": 1}),
        (
            '{"cause": "the disk is full", // why\n"steps": ["df -h", /* a */ "rm old logs"], # last\n"score": 0.75}',
            {"comments": 3},
        ),
        ("{'cause': 'the disk is full', 'steps': ['df -h', 'rm old logs'], 'score': 0.75}", {"quotes": 6}),
        ("{'cause': 'the disk is full', 'steps': ('df -h', 'rm old logs'), 'score': 0.75}", {"quotes": 6, "tuples": 1}),
        ("{“cause”: “the disk is full”, “steps”: [“df -h”, “rm old logs”], “score”: 0.75}", {"quotes": 6}),
        ('{cause: "the disk is full", steps: ["df -h", "rm old logs"], score: .75}', {"quotes": 3}),
        ('{"cause": """the disk is full""", "steps": ["df -h", "rm old logs"], "score": 0.75}', {"quotes": 1}),
        ('{"cause": "the disk is full", "steps": ["df -h", "rm old logs"], "score": 0.75', {"brackets": 1}),
        ('{"cause": "the disk is full", "score": 0.75, "steps": ["df -h", "rm old logs"', {"brackets": 2}),
        (
            '```json\n{"cause": "the disk is full", "score": 0.75, "steps": ["df -h", "rm old logs"}\n```',
            {"brackets": 1},
        ),
        (json.dumps({"result": json.dumps(GOOD)}), {"escapes": 1}),
        (json.dumps({"a": {"b": json.dumps(GOOD)[:-1] + ",}"}}), {"escapes": 1, "commas": 1}),
        (json.dumps(json.dumps(GOOD)), {"escapes": 1}),
        (json.dumps(json.dumps(GOOD))[1:-1], {"escapes": 1}),
        (json.dumps({"name": "answer", "arguments": json.dumps(GOOD)}), {"escapes": 1}),
        (json.dumps({"calls": [{"function": {"name": "answer", "arguments": json.dumps(GOOD)}}]}), {"escapes": 1}),
        (json.dumps({"function": {"name": "answer", "parameters": GOOD}}), {}),
        (json.dumps({"draft": {"cause": "x"}, "final": GOOD}), {}),
        (json.dumps({"type": "object", "properties": GOOD, "required": list(NAMES)}), {}),
        (f"Here: {json.dumps(json.dumps(GOOD))}.", {"escapes": 1}),
        (json.dumps(GOOD)[:-1] + "\n```", {"brackets": 1}),
        (json.dumps(GOOD)[:-1] + " // rather sure}", {"comments": 1, "brackets": 1}),
        ('{"cause": `the disk is full`, "steps": ["df -h", `rm old logs`], "score": 0.75}', {"quotes": 2}),
        (json.dumps(GOOD).replace(":", "\uff1a").replace(", ", "\uff0c"), {"punctuation": 6}),
        (json.dumps(json.dumps(json.dumps(GOOD))), {"escapes": 2}),
        (json.dumps({"a": json.dumps(json.dumps(GOOD))}), {"escapes": 2}),
        (json.dumps({"a": [json.dumps(GOOD)]}), {"escapes": 1}),
        (json.dumps({"a": json.dumps([GOOD])}), {"escapes": 1}),
        (json.dumps({"text": f"```json\n{json.dumps(GOOD)}\n```"}), {"escapes": 1}),
        (json.dumps(json.dumps(GOOD, indent=1))[1:-1], {"escapes": 1}),
        (json.dumps(GOOD), {}),
        (json.dumps({"other": 1})[:-1] + ",}" + json.dumps(GOOD), {}),
    ],
)
def test_an_answer_is_repaired_and_the_log_counts_the_repairs(
    answer: str, repairs: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="cognitive_runtime")
    assert read(answer) == GOOD
    lines = [record.__dict__ for record in caplog.records]
    assert [(line["event"], line["repairs"]) for line in lines] == ([("AnswerRepaired", repairs)] if repairs else [])
    assert "disk" not in caplog.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"grep -E '\d+\.\d+' app.log | wc -l", r"grep -E '\d+\.\d+' app.log | wc -l"),
        (r"copy C:\Users\x\app.log", r"copy C:\Users\x\app.log"),
        (r"copy C:\Users\new\bin\tool.exe now", r"copy C:\Users\new\bin\tool.exe now"),
        (r"from \\server\share\new to x", r"from \\server\share\new to x"),
        (r"regex \\w+\d", r"regex \w+\d"),
        (r"C:\users\beef\u00e9", "C:\\users\\beefé"),
        (r"D:\Projects\report.txt:\n see it", "D:\\Projects\\report.txt:\\n see it"),
        (r"first line:\nRun grep '\w+' file", "first line:\nRun grep '\\w+' file"),
        (r"match '\bword\s+\d\b'", r"match '\bword\s+\d\b'"),
        (r"'\d+'\nthen", "'\\d+'\nthen"),
        (r"say \"\d\" and \\ and \/ and \u00e9", '"\\d"'.join(["say ", " and \\ and / and é"])),
        (r"awk '{print \$1}' \`date\`", r"awk '{print \$1}' \`date\`"),
        (r"it\'s \d", r"it's \d"),
        ("docker run \\\n  -p 80 \\d", "docker run \\\n  -p 80 \\d"),
        (r"\p{L}\x41\u12", r"\p{L}\x41\u12"),
        (r"LaTeX \alpha_{1} \sum", r"LaTeX \alpha_{1} \sum"),
    ],
)
def test_a_backslash_that_json_does_not_know_is_part_of_the_text(text: str, expected: str) -> None:
    assert read(f'{{"cause": "{text}", "score": 0.5}}') == {"cause": expected, "score": 0.5}


def test_escapes_of_json_and_of_python_keep_their_meaning() -> None:
    assert read(r'{"cause": "C:\new\table \"x\"", "score": 1}')["cause"] == 'C:\new\table "x"'
    assert read(r"""{'cause': 'it\'s \x41 and \U', "score": 1}""")["cause"] == r"it's A and \U"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"run "kubectl get pods" now"', 'run "kubectl get pods" now'),
        ('"run "kubectl get pods", then "kubectl top""', 'run "kubectl get pods", then "kubectl top"'),
        ("""'it's the node's disk'""", "it's the node's disk"),
        ("""'don't say 'no' to it'""", "don't say 'no' to it"),
        (
            """\"kubectl patch -p '{"spec":{"replicas":3}}' deploy/web\"""",
            """kubectl patch -p '{"spec":{"replicas":3}}' deploy/web""",
        ),
        ('"see {"a": 1} there"', 'see {"a": 1} there'),
    ],
)
def test_quotes_within_a_text_come_in_pairs(value: str, expected: str) -> None:
    assert read(f'{{"cause": {value}, "score": 0.5}}') == {"cause": expected, "score": 0.5}


def test_quotes_within_the_texts_of_a_list_are_kept() -> None:
    found = read('{"steps": ["run "df" now", "then "du"", "done"], "score": 1}')
    assert found["steps"] == ['run "df" now', 'then "du"', "done"]


@pytest.mark.parametrize(
    "answer",
    [
        '{"cause": "-p {"a":"b"}", "score": 0.5}',
        '{"steps": ["he said "a", "b" ok"], "score": 0.5}',
        '{"cause": "a 5" disk", "score": 0.5}',
        '{"cause": "a" + "b", "score": 0.5}',
        '{"cause": the disk is full, "score": 0.5}',
        '{"cause": , "score": 0.5}',
        '{"cause" "a", "score": 0.5}',
        '{"cause": "a", "score": 0.9 (rather sure)}',
        '{"cause": "a", "score": ...}',
        '{"cause": "a", ...}',
        '{"cause": "a", "score": 1, "steps": [1, 2, "x": 3]}',
        '{"cause": "a"; "score": 1}',
        r'{"cause": "C:\dir\", "score": 0.5}',
        '{"cause": "a", "score": 1]',
        '{"cause": "a", "steps": {"x": "open text}',
        '{"cause": "a", "steps": ["x", "open',
        '{"cause": "a", "steps":',
        '{"cause": "a", "steps"',
        '{"cause": "a" "b" "c"}',
        '{"cause": "a", "score": 1,',
        '{"cause": "a", "score": 1, "steps": [',
        '{"cause": "a", "score": 1, "steps": ["x",',
        '{"cause": "a", "score": 1, "steps": [{',
        '{"cause": "a", "score": 1 # and so on", "steps": []}',
        '{"cause": "a", "steps": "b "// c", "score": 0.5}',
        '{"steps": ["a" "b"], "score": 1}',
    ],
)
def test_an_answer_that_needs_a_guess_is_refused(answer: str) -> None:
    with pytest.raises(UnusableAnswer) as caught:
        read(answer)
    assert "disk" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        f"{json.dumps(GOOD)} No: {json.dumps(GOOD)[:-20]}",
        f'{json.dumps(GOOD)} No: {{"cause": "a",',
        f'{json.dumps(GOOD)} No: {{"cause": is a, "score": 1}}',
        f'{{"draft": {json.dumps(GOOD)}, "cause": "open',
    ],
)
def test_a_draft_before_an_answer_that_cannot_be_read_is_not_the_answer(answer: str) -> None:
    try:
        assert read(answer) != GOOD
    except UnusableAnswer:
        return


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("None", None),
        ("True", True),
        ("False", False),
        ("null", None),
        ("undefined", None),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("high", "high"),
        ("85%", "85%"),
        ("7/10", "7/10"),
        ("+0.5", 0.5),
        (".5", 0.5),
        ("007", "007"),
        ("1_000", "1_000"),
        ("1e999", "1e999"),
        ("12", 12),
        ("-3.5e2", -350.0),
    ],
)
def test_a_word_without_quotes_has_the_value_that_it_spells(word: str, expected: Any) -> None:
    found = read(f"{{'cause': 'a', 'score': {word}, }}")["score"]
    assert found == expected
    assert type(found) is type(expected)


texts = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\x7f￾￿"), max_size=30)
safe_texts = texts.filter(lambda text: not any(0x7F <= ord(char) < 0xA0 for char in text))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | safe_texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(safe_texts, inner, max_size=4),
    max_leaves=10,
)


@given(cause=values, steps=values, missing=st.integers(0, 1), comma=st.booleans(), indent=st.sampled_from([None, 2]))
def test_any_value_is_read_back_equal(cause: Any, steps: Any, missing: int, comma: bool, indent: int | None) -> None:
    expected = {"cause": cause, "steps": steps, "score": 1}
    assume(not is_template(expected))
    text = json.dumps(expected, ensure_ascii=False, indent=indent)
    text = text[:-1].rstrip() + ("" if missing else ",\n}" if comma else "\n}")
    assert read(text) == expected


@given(cause=values, steps=values)
def test_any_value_in_the_spelling_of_python_is_read_back_equal(cause: Any, steps: Any) -> None:
    expected = {"cause": cause, "steps": steps, "score": 1}
    assume(not is_template(expected))
    assert read(str(expected)) == expected


@given(value=values, depth=st.integers(1, 2))
def test_any_object_that_is_encoded_again_is_read_back_equal(value: Any, depth: int) -> None:
    expected = {"cause": value, "steps": [], "score": 1}
    assume(not is_template(expected))
    text = json.dumps(expected, ensure_ascii=False)
    for _ in range(depth):
        text = json.dumps({"json": text}, ensure_ascii=False)
    assert read(text) == expected


@given(st.text(alphabet="{}[]:,\"'\\/*# \nab1.-“”", max_size=60))
def test_no_text_is_invented_from_any_punctuation(noise: str) -> None:
    """Every text of the result is in the answer, once backslashes are set aside."""
    answer = '{"cause": "x", "steps": ' + noise
    try:
        found = read(answer)
    except UnusableAnswer:
        return
    given_chars = answer.replace("\\", "").replace("\n", "")
    for text in texts_of(found):
        plain = text.replace("\\", "").translate({ord(char): None for char in "\n\b\f\t\r"})
        assert not plain or plain in given_chars or "\\" in answer


def texts_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [mended(value)]
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for part in parts for text in texts_of(part)]


TALK = [
    "it's the node's disk, isn't it?",
    'run "kubectl get po" now, then "top"',
    "path C:\\Users\\new and \\d+",
    'a, b: c {d} [e] "f": 1',
    "```bash\necho 'x' # y // z\n```",
    "key: \"v\", other: 'w' 日本 “引用”",
]
SPELLINGS: list[Callable[[Any], str]] = [json.dumps, repr, lambda value: json.dumps(json.dumps(value))]


@given(
    cause=st.sampled_from(TALK),
    steps=st.lists(st.sampled_from(TALK), min_size=1, max_size=2),
    spell=st.sampled_from(SPELLINGS),
    slip=st.tuples(st.floats(0, 1), st.sampled_from(["", *"\"'`{}[](),:#/ \n"]), st.booleans()),
)
def test_a_slip_of_one_character_changes_one_value_at_most(
    cause: str, steps: list[str], spell: Callable[[Any], str], slip: tuple[float, str, bool]
) -> None:
    place, typed, is_replaced = slip
    good = {"cause": cause, "steps": steps, "score": 0.5}
    answer = spell(good)
    at = int(place * (len(answer) - 1))
    try:
        found = read(answer[:at] + typed + answer[at + (is_replaced or not typed) :])
    except UnusableAnswer:
        return
    assert sum(found.get(name) != value for name, value in good.items() if name in found) <= 1
