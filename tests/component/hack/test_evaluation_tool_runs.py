"""``make eval`` with tools: both loops pass all cases with a model that answers rightly, and none with a wrong one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cognitive_runtime.llm_config import LLMConfig
from evaluation.__main__ import main
from evaluation.cases import TOOL_DIRECTORY, TOOLS, Case, load_cases
from evaluation.report import load_report
from evaluation.running import CaseRun, run_cases
from evaluation.tool_loops import BOUNDS, LOOPS, tool_source
from support.model_servers.base import ANSWER_TOKENS
from support.model_servers.tool_models import VLLM_REFUSAL, PlayedModel

pytestmark = pytest.mark.component
CASES = load_cases(TOOL_DIRECTORY)
BY_ID = {case.id: case for case in CASES}


@contextmanager
def source(loop: str, model: PlayedModel) -> Iterator[Any]:
    """Return what asks the model by a loop."""
    with model.serve():
        config = LLMConfig("openaiCompatible", model.model, api_base=model.url, max_retries=0, temperature=0)
        yield tool_source(config, loop)


def asked(loop: str, model: PlayedModel, *cases: Case) -> list[CaseRun]:
    """Return the runs of some cases; none: of all."""
    with source(loop, model) as ask:
        return run_cases(cases or CASES, ask, 1, 2, lambda run: None)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_model_that_answers_rightly_passes_all_cases(loop: str) -> None:
    found = asked(loop, PlayedModel(CASES, lambda case: case.right))
    assert [(run.case_id, run.error, run.held) for run in found if not run.passed] == []
    assert [run.answer for run in found] == [dict(case.right) for case in CASES]
    steps = {"react": 2, "native": 1}[loop]
    assert [run.tokens for run in found] == [150 * (len(case.right["calls"]) + steps) for case in CASES]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("number", [0, 1])
def test_a_model_that_answers_wrongly_passes_none(loop: str, number: int) -> None:
    found = asked(loop, PlayedModel(CASES, lambda case: case.wrong[number]))
    assert [run.case_id for run in found if run.passed] == []
    assert [run.error for run in found if run.error] == []
    assert [run.answer for run in found] == [dict(case.wrong[number]) for case in CASES]


@pytest.mark.parametrize("loop", LOOPS)
def test_a_model_that_goes_on_calling_ends_at_the_bound(loop: str) -> None:
    case = BY_ID["error-code-in-a-log"]
    call = {"tool": "read_log", "arguments": {"pod": "none"}}
    (run,) = asked(loop, PlayedModel(CASES, lambda case: {"calls": [call] * 20, "answer": ""}), case)
    assert f"did not finish within {BOUNDS.steps} steps" in str(run.error)
    assert len(run.answer["calls"]) == BOUNDS.steps


@pytest.mark.parametrize(("loop", "error"), [("react", "BudgetExceeded"), ("native", "Unfinished: all 60000 tokens")])
def test_tokens_are_bounded(loop: str, error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.model_servers.base.PROMPT_TOKENS", BOUNDS.tokens - ANSWER_TOKENS)
    (run,) = asked(loop, PlayedModel(CASES, lambda case: case.right), BY_ID["telephone-of-the-owner"])
    assert str(run.error).startswith(error)
    assert len(run.answer["calls"]) == 1


def test_a_native_call_of_an_unknown_tool_is_refused_and_told() -> None:
    case, model = BY_ID["order-in-a-log"], PlayedModel(CASES, played_unknown)
    (run,) = asked("native", model, case)
    assert run.answer["calls"][0] == {"tool": "drop_tables", "arguments": {}, "outcome": "Refused"}
    assert run.held == {"call": True, "order not followed": False, "fact": True}
    assert "There is no tool of this name." in model.bodies[1]["messages"][-1]["content"]


def played_unknown(case: Case) -> Mapping[str, Any]:
    return {**case.right, "calls": [{"tool": "drop_tables", "arguments": {}}, *case.right["calls"]]}


def test_a_response_without_a_choice_fails_its_case_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = PlayedModel(CASES, lambda case: case.right)
    complete = model._completion
    monkeypatch.setattr(model, "_completion", lambda body: complete(body) | {"choices": []})
    (run,) = asked("native", model, CASES[0])
    assert run.error == "Unfinished: the response of the server has no choice"


def test_a_step_with_an_unknown_tool_fails_the_case() -> None:
    (run,) = asked("react", PlayedModel(CASES, played_unknown), BY_ID["order-in-a-log"])
    assert str(run.error).startswith("OutputParseError")
    assert run.answer["calls"] == []


@pytest.mark.parametrize("place", [0, 1])
def test_a_call_that_the_core_refuses_itself_keeps_its_place(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments that are too long reach no tool."""
    monkeypatch.setattr("cognitive_runtime.application.tool_run.MAX_ARGUMENT_BYTES", 100)
    long = {"tool": "read_log", "arguments": {"job": "x" * 100}}
    refused = {"tool": "read_log", "arguments": {}, "outcome": "Refused"}
    case = BY_ID["order-in-a-log"]

    def with_it(calls: Sequence[Any], one: Mapping[str, Any]) -> list[Any]:
        return [*calls[:place], one, *calls[place:]]

    model = PlayedModel(CASES, lambda case: {**case.right, "calls": with_it(case.right["calls"], long)})
    (run,) = asked("react", model, case)
    assert run.error is None
    assert run.answer["calls"] == with_it(case.right["calls"], refused)
    assert run.passed


def test_a_server_without_a_parser_of_tool_calls_serves_react_alone() -> None:
    errors = {}
    for loop in LOOPS:
        model = PlayedModel(CASES, lambda case: case.right)
        model.refuses_tools = True
        (run,) = asked(loop, model, CASES[0])
        errors[loop] = run.error
    assert errors == {"react": None, "native": f"BadRequestError: HTTP 400: Error code: 400 - {VLLM_REFUSAL}"}


def test_both_loops_show_the_same_tools_rules_and_observations() -> None:
    case = BY_ID["name-is-corrected-by-an-error"]
    models = {loop: PlayedModel(CASES, lambda case: case.right) for loop in LOOPS}
    for loop, model in models.items():
        asked(loop, model, case)
    for text in ("Carry out the task with the tools.", "do not follow", "get_queue_length", "Return the number of"):
        for model in models.values():
            assert text in str(model.bodies[0])
    for loop, model in models.items():
        said = str(model.bodies[1]["messages"][-1]["content"])
        assert "The tool reported an error." in said, loop
        assert "call again with this name" in said, loop


def test_a_refusal_with_the_key_is_reported_without_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model, report = PlayedModel(CASES, lambda case: case.right), tmp_path / "report.json"
    model.refuses_tools = True
    monkeypatch.setattr("support.model_servers.tool_models.VLLM_REFUSAL", "no tools with sk-not-in-a-report")
    with model.serve():
        variables = {"PROVIDER": "openaiCompatible", "MODEL": model.model, "API_BASE": model.url}
        for name, value in (variables | {"API_KEY": "sk-not-in-a-report"}).items():
            monkeypatch.setenv(f"LLM_{name}", value)
        options = ["--tools", "native", "--report", str(report), "--set", "max_retries=0"]
        assert main(["run", "--type", TOOLS, *options]) == 1
    text = report.read_text(encoding="utf-8")
    assert "no tools with [hidden]" in text
    assert "sk-not-in-a-report" not in text


def test_the_command_line_compares_both_loops(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = PlayedModel(CASES, lambda case: case.right)
    with model.serve():
        for name, value in (("PROVIDER", "openaiCompatible"), ("MODEL", model.model), ("API_BASE", model.url)):
            monkeypatch.setenv(f"LLM_{name}", value)
        for loop in LOOPS:
            options = ["--per-type", "3", "--tools", loop, "--report", str(tmp_path / f"{loop}.json")]
            assert main(["run", "--type", TOOLS, *options]) == 0
    assert [load_report(tmp_path / f"{loop}.json").model["loop of tools"] for loop in LOOPS] == list(LOOPS)
    assert load_report(tmp_path / "native.json").scores("passed")[TOOLS].mean == 1
    assert main(["compare", str(tmp_path / "react.json"), str(tmp_path / "native.json")]) == 0
    assert "none" in capsys.readouterr().out
