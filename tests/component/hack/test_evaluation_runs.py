"""``make eval`` through the real core against a scripted model server."""

import json
import os
from pathlib import Path

import dspy
import pytest

from cognitive_runtime import llm_config
from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.domain import CognitiveTaskType
from evaluation.__main__ import main
from evaluation.cases import Case, load_cases
from evaluation.report import ALL, load_report
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
CASES = load_cases()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ScriptedModel:
    """A server that is named by the environment."""
    monkeypatch.setattr(llm_config, "_configured", {})
    for name in [name for name in os.environ if name.startswith("LLM_")]:
        monkeypatch.delenv(name)
    return ScriptedModel()


def mark_of(case: Case) -> str:
    """Return a text of the user message that only this case has."""
    return json.dumps(next(iter(case.input.values())), ensure_ascii=False)


def test_each_case_has_its_own_mark() -> None:
    assert len({mark_of(case) for case in CASES}) == len(CASES)


def test_all_cases_run_through_the_core(
    model: ScriptedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    with model:
        for case in CASES:
            model.script(contains=mark_of(case), content=json.dumps(case.right, ensure_ascii=False))
        monkeypatch.setenv("LLM_PROVIDER", "openaiCompatible")
        monkeypatch.setenv("LLM_API_BASE", model.url)
        monkeypatch.setenv("LLM_API_KEY", "sk-not-in-a-report")
        types = [option for each in SIGNATURES for option in ("--type", each.value)]
        settings = ["--set", "temperature=0", "--set", "max_tokens=2048"]
        assert main(["run", "--report", str(report), *types, *settings]) == 0
        assert len(model.requests) == len(CASES)
        assert {request.body["temperature"] for request in model.requests} == {0}
    found = load_report(report)
    assert [run for run in found.runs if run.error] == []
    assert [run.case_id for run in found.runs if not run.passed] == []
    assert found.scores("passed")[ALL].count == len(CASES) == 60
    assert "loop of tools" not in found.model
    assert "sk-not-in-a-report" not in report.read_text(encoding="utf-8") + capsys.readouterr().out
    assert found.model["max_tokens"] == 2048


def test_a_saved_program_is_measured(model: ScriptedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = dspy.Predict(
        SIGNATURES[CognitiveTaskType.PROBLEM_SOLVING].signature.with_instructions("Solve by halves.")
    )
    program.save(str(tmp_path / "program.json"))
    options = ["--case", "clock-skew", "--report", str(tmp_path / "report.json")]
    with model:
        monkeypatch.setenv("LLM_PROVIDER", "openaiCompatible")
        monkeypatch.setenv("LLM_API_BASE", model.url)
        assert main(["run", *options, "--program", f"problem_solving={tmp_path / 'program.json'}"]) == 0
        assert "Solve by halves." in model.requests[0].body["messages"][0]["content"]
    assert "program problem_solving" in load_report(tmp_path / "report.json").versions


def test_a_missing_program_is_named(
    model: ScriptedModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLM_PROVIDER", "openaiCompatible")
    monkeypatch.setenv("LLM_API_BASE", model.url)
    assert main(["run", "--program", "task_planning=none.json"]) == 1
    assert "none.json" in capsys.readouterr().err


def test_an_unknown_setting_is_named(
    model: ScriptedModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLM_PROVIDER", "openaiCompatible")
    monkeypatch.setenv("LLM_API_BASE", model.url)
    assert main(["run", "--set", "warmth=1"]) == 1
    assert "this core has no setting warmth" in capsys.readouterr().err


def test_a_server_that_cannot_be_reached_ends_with_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], model: ScriptedModel
) -> None:
    monkeypatch.setenv("LLM_PROVIDER", "openaiCompatible")
    monkeypatch.setenv("LLM_API_BASE", "http://127.0.0.1:9")
    report = tmp_path / "report.json"
    assert main(["run", "--report", str(report), "--case", "clock-skew", "--set", "max_retries=0"]) == 1
    assert "ModelUnavailable" in capsys.readouterr().out
    assert load_report(report).scores("passed")[ALL].mean == 0
