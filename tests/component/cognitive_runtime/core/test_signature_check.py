"""``signature check``: a manifest is validated, shown and tried against a model."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cognitive_runtime.__main__ import main
from support.builders.signatures import ANSWER, SPEC, manifest
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
FIRST, SECOND = SPEC["demonstrations"]


@pytest.fixture
def environ(model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a model."""
    variables = {"LLM_PROVIDER": "local", "LLM_MODEL": "scripted", "LLM_API_BASE": model.url, "LLM_MAX_RETRIES": "0"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def written(tmp_path: Path, found: Any, name: str = "signature.yaml") -> str:
    path = tmp_path / name
    path.write_text(yaml.safe_dump(found, sort_keys=False), encoding="utf-8")
    return str(path)


def answer(**changes: Any) -> str:
    return json.dumps({"reasoning": "r"} | ANSWER | changes)


@pytest.mark.usefixtures("environ")
def test_each_demonstration_is_tried_without_being_shown(
    model: ScriptedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.script(content=json.dumps({"reasoning": "r", "confidence": 1, **FIRST["output"]}), times=1)
    model.script(content=answer(), times=1)
    assert main(["signature", "check", written(tmp_path, manifest())]) == 0
    said = capsys.readouterr().out
    assert "signature triage is valid: ChainOfThought, 3 inputs, 8 outputs, 2 demonstrations" in said
    assert "You are an expert software developer" in said
    assert "- severity (one of " in said
    assert "demonstration 1 of 2: answered by scripted; equal to the demonstration" in said
    assert (
        "demonstration 2 of 2: answered by scripted; other than the demonstration in severity, score, summary" in said
    )
    assert '"summary": "Cart slow"' in said
    prompts = [json.dumps(each.body["messages"]) for each in model.requests]
    assert len(prompts) == 2
    assert "Database down" not in prompts[0]
    assert '\\"Typo\\"' not in prompts[1]
    shown = said.split("The model is asked:")[1].split("demonstration 1 of 2")[0]
    assert all(message["content"] in shown for message in model.requests[0].body["messages"])


@pytest.mark.usefixtures("environ")
def test_a_given_input_is_tried_with_all_demonstrations(
    model: ScriptedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.script(content=answer())
    given = written(tmp_path, {"ticket": "The cart is slow."}, "input.yaml")
    assert main(["signature", "check", written(tmp_path, manifest()), "--input", given]) == 0
    assert f"input {given}: answered by scripted\n" in capsys.readouterr().out
    assert [each["role"] for each in model.requests[0].body["messages"]].count("assistant") == 2


@pytest.mark.usefixtures("environ")
def test_a_try_without_valid_outputs_fails_by_field(
    model: ScriptedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.script(content=answer(score=11), times=2)
    model.script(content=answer())
    assert main(["signature", "check", written(tmp_path, manifest())]) == 1
    said = capsys.readouterr().out
    assert "demonstration 1 of 2: failed with OutputParseError: The answer is not a valid triage" in said
    assert "demonstration 2 of 2: answered" in said


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize("arguments", [[], ["--no-model"]])
def test_without_demonstrations_and_without_a_model_the_prompt_is_shown(
    model: ScriptedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(["signature", "check", written(tmp_path, manifest(demonstrations=[])), *arguments]) == 0
    said = capsys.readouterr().out
    assert ("Nothing to try: the signature has no demonstrations" in said) is (not arguments)
    assert '{"ticket": "…", "affected_users": "…", "labels": "…"}' in said
    assert not model.requests


@pytest.mark.parametrize(
    ("found", "given", "said"),
    [
        (manifest(outputs=[]), None, "signature.yaml: outputs has 0 fields; 1 to 32 are allowed."),
        (manifest(), {"ticket": 5}, "input.yaml: input.ticket must be a text (signature triage)."),
        (manifest(), ["ticket"], "input.yaml: must be an object with the inputs of the signature."),
    ],
)
def test_an_invalid_manifest_or_input_is_refused_by_file_and_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], found: Any, given: Any, said: str
) -> None:
    further = [] if given is None else ["--input", written(tmp_path, given, "input.yaml")]
    assert main(["signature", "check", written(tmp_path, found), *further, "--no-model"]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.endswith(f"{said}\n")) == ("", True)


def test_a_setting_of_the_model_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_PROVIDER", "nonsense")
    assert main(["signature", "check", written(tmp_path, manifest())]) == 2
    assert capsys.readouterr().err.startswith("cognitive-runtime: LLM_PROVIDER: 'nonsense' is none of openai")
    assert main(["signature", "check", str(tmp_path / "absent.yaml")]) == 2
    assert "absent.yaml: No such file or directory" in capsys.readouterr().err
