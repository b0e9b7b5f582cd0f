"""Separation of thinking and answer in a model's text."""

import json
import time

import pytest

from cognitive_runtime.adapters.vllm.thinking import Separated, separate

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
    ["{", '{"a":', '{"', "{a\n", "<think>", "</think>", "<", "<|channel|>" + " " * 50, "<think ", "}", "[", "\\"],
)
@pytest.mark.parametrize("before", ["", '{"a": "'])
def test_hostile_text_takes_linear_time(piece: str, before: str) -> None:
    text = before + piece * (300_000 // len(piece)) + "</think>x"
    begun_s = time.process_time()
    assert separate(text).answer == "x"
    assert time.process_time() - begun_s < 1
