"""Scripted tools, checks of calls, and the totals of reports with cases with tools."""

from collections.abc import Mapping
from typing import Any

import pytest

from cognitive_runtime.adapters.dspy import tool_loop, vllm_agent
from cognitive_runtime.llm_config import LLMConfig
from evaluation import __main__ as command
from evaluation.cases import TOOL_DIRECTORY, TOOLS, load_cases
from evaluation.checks import read_check
from evaluation.comparison import compare
from evaluation.report import ALL, Report
from evaluation.running import CaseRun, run_cases
from evaluation.tool_loops import DATA, INSTRUCTIONS, LOOPS, tool_source
from evaluation.worlds import FAILED, REFUSED, SUCCEEDED, World, read_tools

TOOL: Mapping[str, Any] = {
    "name": "get",
    "description": "Get a number.",
    "arguments": {"service": {"type": "string"}, "minutes": {"type": "number"}},
    "answers": [
        {"when": {"service": "web|cart", "minutes": "60"}, "answer": "42"},
        {"when": {"service": "web"}, "error": "Call again with 60."},
    ],
}


def tool(**changes: Any) -> dict[str, Any]:
    return {**TOOL, **changes}


@pytest.mark.parametrize(
    ("name", "arguments", "outcome", "text"),
    [
        ("get", {"service": "Web", "minutes": 60}, SUCCEEDED, "42"),
        ("get", {"service": "cart", "minutes": 60.0}, SUCCEEDED, "42"),
        ("get", {"service": "web", "minutes": 6}, FAILED, "Call again with 60."),
        ("get", {"service": "the web", "minutes": 60}, FAILED, "There is no entry for these arguments."),
        ("get", {"service": "web"}, REFUSED, "'minutes' is a required property"),
        ("get", {"service": "web", "minutes": 60, "more": 1}, REFUSED, "'more' was unexpected"),
        ("get", "no object", REFUSED, "is not of type 'object'"),
        ("set", {}, REFUSED, "There is no tool of this name."),
    ],
)
def test_a_tool_answers_by_its_arguments_and_each_call_is_recorded(
    name: str, arguments: Any, outcome: str, text: str
) -> None:
    world = World(read_tools([TOOL]))
    answer = world.call(name, arguments)
    assert (answer.outcome, text in answer.text) == (outcome, True)
    assert world.calls == [{"tool": name, "arguments": arguments, "outcome": outcome}]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"answer": []}, "tool get: expected exactly the keys"),
        ({"answers": [{"answer": "a", "error": "b"}]}, "tool get: an answer has answer or error"),
        ({"answers": [{"when": {"pod": "a"}, "answer": "b"}]}, "tool get: an answer has answer or error"),
    ],
)
def test_an_invalid_tool_is_named(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_tools([tool(**changes)])


def made(*calls: tuple[str, str, str]) -> dict[str, Any]:
    """Return an answer with calls, each of a tool with one argument and an outcome."""
    return {"calls": [{"tool": name, "arguments": {"of": of}, "outcome": outcome} for name, of, outcome in calls]}


@pytest.mark.parametrize(
    ("calls", "holds"),
    [
        ([("a", "x", SUCCEEDED), ("b", "y", SUCCEEDED)], True),
        ([("a", "x", FAILED), ("a", "X", SUCCEEDED), ("c", "", REFUSED), ("b", "y", SUCCEEDED)], True),
        ([("b", "y", SUCCEEDED), ("a", "x", SUCCEEDED)], False),
        ([("a", "x", SUCCEEDED), ("b", "y", FAILED)], False),
        ([("a", "xx", SUCCEEDED), ("b", "y", SUCCEEDED)], False),
        ([("a", "x", SUCCEEDED)], False),
        ([], False),
    ],
)
def test_calls_succeed_in_their_order(calls: list[tuple[str, str, str]], holds: bool) -> None:
    wanted = [{"tool": "a", "arguments": {"of": "x"}}, {"tool": "b", "arguments": {"of": "y"}}]
    check = read_check({"name": "n", "field": "calls", "called": wanted}, ())
    assert check.holds(made(*calls)) is holds


def test_a_call_of_another_tool_is_found_whatever_its_outcome() -> None:
    check = read_check({"name": "n", "field": "calls", "only": ["a"]}, ())
    assert check.holds(made(("a", "x", FAILED)))
    assert not check.holds(made())
    assert not check.holds(made(("a", "x", SUCCEEDED), ("unknown", "", REFUSED)))
    assert not check.holds({})


def test_an_invalid_expression_for_an_argument_is_named() -> None:
    rule = {"name": "n", "field": "calls", "called": [{"tool": "a", "arguments": {"of": "("}}]}
    with pytest.raises(ValueError, match="no regular expression"):
        read_check(rule, ())


def runs(task_type: str, passing: int, count: int) -> tuple[CaseRun, ...]:
    return tuple(CaseRun(f"{task_type}-{n}", task_type, 1, {"one": n < passing}, 0.1, {}) for n in range(count))


def report_of(*found: tuple[CaseRun, ...]) -> Report:
    return Report({"model": "m"}, {}, "2026-11-28T00:00:00+00:00", 1, tuple(run for part in found for run in part))


def test_cases_with_tools_are_a_row_beside_the_total() -> None:
    without = report_of(runs("a", 3, 4), runs("b", 1, 4))
    scores = report_of(runs("a", 3, 4), runs("b", 1, 4), runs(TOOLS, 12, 12)).scores("passed")
    assert list(scores) == ["a", "b", ALL, TOOLS]
    assert scores[ALL] == without.scores("passed")[ALL]
    assert (scores[TOOLS].mean, scores[TOOLS].count) == (1, 12)
    assert list(report_of(runs(TOOLS, 1, 2)).scores("passed")) == [TOOLS]


def test_a_report_without_tools_is_compared_in_its_own_cases() -> None:
    old, new = report_of(runs("a", 3, 4)), report_of(runs("a", 3, 4), runs(TOOLS, 12, 12))
    for before, after in ((old, new), (new, old)):
        assert [row.name for row in compare(before, after, "passed")] == ["a", ALL]
    assert [row.name for row in compare(new, new, "passed")] == ["a", ALL, TOOLS]


def test_a_failed_run_keeps_its_calls_and_tokens() -> None:
    case = load_cases(TOOL_DIRECTORY)[0]
    failed = {"success": False, "error_type": "NoProgress", "error": "e", "calls": case.right["calls"], "tokens": 9}
    (run,) = run_cases([case], lambda case: failed, 1, 1, lambda run: None)
    assert not any(run.held.values())
    assert (run.answer, run.tokens) == ({"calls": case.right["calls"]}, 9)


def test_all_cases_are_asked_without_options() -> None:
    chosen = command._chosen(command._parser().parse_args(["run"]))
    assert chosen == [*load_cases(), *load_cases(TOOL_DIRECTORY)]


def test_a_core_without_tools_is_measured_without_their_cases(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Older cores are measured by the same runner."""
    parser = command._parser()
    monkeypatch.setattr(command, "has_tools", lambda: False)
    assert TOOLS not in {case.task_type for case in command._chosen(parser.parse_args(["run"]))}
    assert "this core has no tools" in capsys.readouterr().err
    assert {case.task_type for case in command._chosen(parser.parse_args(["run", "--type", TOOLS]))} == {TOOLS}
    monkeypatch.setattr("evaluation.tool_loops.has_tools", lambda: False)
    for loop in LOOPS:
        with pytest.raises(ValueError, match="this core has no tools: leave out the type tools"):
            tool_source(None, loop)


def test_native_calls_of_azure_are_refused_before_the_first_case() -> None:
    config = LLMConfig("azure", api_key="k", api_base="https://a.test")
    with pytest.raises(ValueError, match="--tools native does not support the provider azure"):
        tool_source(config, "native")


def test_both_loops_have_the_texts_of_the_runtime() -> None:
    assert vllm_agent._INSTRUCTIONS == INSTRUCTIONS
    assert tool_loop._DATA == DATA
