"""Separation of thinking and answer in a model's text."""

import json
import time

import pytest

from cognitive_runtime.adapters.model.thinking import Separated, separate

DRAFT = '{"thought": "first idea", "confidence_score": 0.1}'
ANSWER = '{"thought": "exit code 137 is the OOM killer", "confidence_score": 0.9}'
HARMONY = "<|channel|>analysis<|message|>"
FINAL = "<|start|>assistant<|channel|>final<|message|>"

TAGS = [
    ("<think>", "</think>"),
    ("<THINK>", "</Think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<thinking_process>", "</thinking_process>"),
    ("<chain_of_thought>", "</chain_of_thought>"),
    ('<think type="plan">', "</think >"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|channel>thought\n", "<channel|>"),
    ("<unused94>thought\n", "<unused95>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    (HARMONY, f"<|end|>{FINAL}"),
    ("<|start|>assistant" + HARMONY, f"<|end|>{FINAL}"),
    (HARMONY, "<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>"),
    ("<|channel|>commentary<|message|>", f"<|end|>{FINAL}"),
    ("analysis", "assistantfinal"),
    (HARMONY, "<|end|>"),
    (HARMONY, "<|end|><|start|>assistant<|channel|>final json<|message|>"),
    (HARMONY, "<|end|><|start|>assistant<|message|>"),
    (HARMONY, "<|end|><|start|>assistant<|channel|>commentary to=functions.answer <|constrain|>json<|message|>"),
    ("<|channel|>analysis:", "<|channel|>final:"),
]


@pytest.mark.parametrize(("opening", "closing"), TAGS)
def test_thinking_between_tags_is_no_answer(opening: str, closing: str) -> None:
    found = separate(f"{opening}One could say {DRAFT}, or not.{closing}\n{ANSWER}")
    assert found.answer == ANSWER
    assert found.thinking == f"One could say {DRAFT}, or not."
    assert not found.is_open


@pytest.mark.parametrize(("_", "closing"), [pair for pair in TAGS if pair[1] != "<|end|>"])
def test_the_opening_tag_may_be_missing(_: str, closing: str) -> None:
    found = separate(f"Perhaps {DRAFT} would do.{closing}{ANSWER}")
    assert (found.answer, found.thinking) == (ANSWER, f"Perhaps {DRAFT} would do.")


@pytest.mark.parametrize(
    ("opening", "text"),
    [(opening, text) for opening, _ in TAGS if opening != "analysis" for text in ("hm", f"maybe {DRAFT}", DRAFT, "")],
)
def test_a_text_that_ends_within_the_thinking_has_no_answer(opening: str, text: str) -> None:
    assert separate(f"{opening}{text}") == Separated("", text, is_open=True)


@pytest.mark.parametrize(
    ("text", "thinking"),
    [
        (f"<think>a</think>b<think>c</think>{ANSWER}", "abc"),
        (f"<think>a</think>\n<thinking>{DRAFT}</thinking>\n{ANSWER}", f"a\n{DRAFT}"),
        (f"<think>a <think>b</think> c</think>{ANSWER}", "a b c"),
        (f"<think>{DRAFT}</think>{DRAFT}</think>{ANSWER}", DRAFT + DRAFT),
        (f"{HARMONY}a<|end|><|start|>assistant<|channel|>commentary<|message|>b<|end|>{FINAL}{ANSWER}<|return|>", "ab"),
        (f"<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>{ANSWER}<|END_RESPONSE|>", "a"),
        (f'<think>an open {{"quote</think>{ANSWER}', 'an open {"quote'),
        (f"<think>if (x) {{ y(); }} else {{</think>{ANSWER}", "if (x) { y(); } else {"),
    ],
)
def test_several_blocks_and_hostile_thinking_are_separated(text: str, thinking: str) -> None:
    found = separate(text)
    assert (found.answer, found.thinking, found.is_open) == (ANSWER, thinking, False)


TALK = [
    "</think>",
    "<think>",
    "the tag <think> opens, the tag </think> closes",
    "[/THINK] and [THINK]",
    f"{FINAL} and <|end|>",
    "</think> {}",
    '</think> {"a": 1}',
    "assistantfinal",
]


@pytest.mark.parametrize("talk", TALK)
@pytest.mark.parametrize(
    "before", ["", "<think>a</think>\n", "a</think>", f"{HARMONY}a<|end|>{FINAL}", "Here:\n```json\n"]
)
def test_a_tag_within_the_answers_object_is_part_of_it(talk: str, before: str) -> None:
    answer = json.dumps({"thought": talk, "nested": {"also": talk}, "n": 1})
    found = separate(before + answer)
    assert found.answer in (answer, before + answer)
    assert found.thinking in ("a", "")


def test_a_tag_within_an_object_that_is_no_valid_json_is_part_of_it() -> None:
    answer = '{"thought": "remove </think> from the text", "confidence_score": 0.9,}'
    assert separate(f"<think>a</think>{answer}") == Separated(answer, "a")
    assert separate(answer).answer == answer


@pytest.mark.parametrize("talk", ["drop </think>", "a {b} and </think> {c}", "<think>x</think>", f"{FINAL}{{x}}"])
@pytest.mark.parametrize("form", ['{{"thought": "{0}", "n": {{"k": 1}},}}', "{{'thought': '{0}', 'n': None}}"])
@pytest.mark.parametrize("before", ["", "<think>a</think>", "a {b}</think>\n"])
def test_a_tag_within_an_object_of_another_spelling_is_part_of_it(talk: str, form: str, before: str) -> None:
    answer = form.format(talk)
    assert separate(before + answer).answer == answer


@pytest.mark.parametrize(
    ("text", "thinking"),
    [
        (f"{ANSWER}\n<think>was it right? {DRAFT}</think>", f"was it right? {DRAFT}"),
        (f"<think>a</think>{ANSWER}<think>b</think>\n", "a\n\nb"),
        (f"<think>{DRAFT}</think>{ANSWER}</think>", DRAFT),
    ],
)
def test_thinking_after_the_answer_does_not_hide_it(text: str, thinking: str) -> None:
    assert separate(text) == Separated(ANSWER, thinking)


@pytest.mark.parametrize(
    "text", [f"<think>a <think>b</think> {DRAFT}</think>", f"{DRAFT}</think>", f"I say {DRAFT} <think>no</think>"]
)
def test_a_draft_before_a_last_closing_tag_is_no_answer(text: str) -> None:
    assert separate(text).answer == ""


def test_braces_in_long_thinking_hide_no_tags_within_the_answer() -> None:
    answer = json.dumps({"thought": "<think>x</think> {b}\n" * 2000})
    assert separate("<think>" + "a {b} and {c}\n" * 2000 + "</think>" + answer).answer == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        ANSWER,
        "a plain text, 1 < 2 and [1]",
        "The <think> tag opens a block of thinking.",
        f"{ANSWER}\n<think>",
        "<thin>a</thin>",
        "analysis of the final assistant",
        f"{ANSWER}<|end|>",
    ],
)
def test_a_text_without_thinking_before_its_answer_stays_as_it_is(text: str) -> None:
    assert separate(text) == Separated(text)


@pytest.mark.parametrize(
    "piece",
    [
        "{",
        '{"a":',
        '{"',
        "{a\n",
        "{a:/*",
        "{a:'b',",
        '{"a":{},',
        "<think>",
        "</think>",
        "<",
        "<|channel|>" + " " * 50,
        "<think ",
        "}",
        "[",
        "\\",
    ],
)
@pytest.mark.parametrize("before", ["", '{"a": "'])
def test_hostile_text_takes_linear_time(piece: str, before: str) -> None:
    text = before + piece * (300_000 // len(piece)) + "</think>x"
    begun_s = time.process_time()
    assert separate(text).answer == "x"
    assert time.process_time() - begun_s < 1
