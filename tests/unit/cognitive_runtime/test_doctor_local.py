"""The doctor on its own machine, and its command line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cognitive_runtime.__main__ import _parser
from cognitive_runtime.adapters.ray.probe import judge_nodes
from cognitive_runtime.bootstrap.doctor.arguments import doctor_settings
from cognitive_runtime.bootstrap.doctor.checks import run_doctor
from cognitive_runtime.bootstrap.doctor.settings import DoctorSettings

NODE: dict[str, Any] = {
    "node": "10.0.0.1",
    "error": None,
    "runtime": "1.0",
    "secrets_dir": "/s",
    "missing": [],
    "can_spool": True,
}


async def examined(only: str, environ: dict[str, str], **settings: Any) -> dict[str, dict[str, str]]:
    asked = DoctorSettings(environ=environ, only=frozenset([only]), as_json=True, **settings)
    said, code = await run_doctor(asked)
    told = json.loads(said)
    assert code == (0 if told["ok"] else 1)
    return {each["name"]: each for each in told["checks"]}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"COGNITIVE_SECRETS_DIR": str(tmp_path / "secrets"), "COGNITIVE_SPOOL_DIR": str(tmp_path / "spool")}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets" / "a1"
    folder.mkdir(parents=True)
    return folder


async def test_a_sound_configuration_is_fine(environ: dict[str, str], tmp_path: Path) -> None:
    found = await examined("configuration", environ)
    assert [each["verdict"] for each in found.values()] == ["ok", "ok", "skipped"]
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"LOG_LEVEL": "LOUD"}, "environment", "LOG_LEVEL is 'LOUD'"),
        ({"COGNITIVE_SECRETS_DIR": "secrets"}, "environment", "COGNITIVE_SECRETS_DIR is 'secrets'"),
        ({"COGNITIVE_SPOOL_DIR": "/proc/none"}, "spool", "/proc/none cannot be written"),
        ({"LLM_PROVIDER": "local", "LLM_API_BASE": "http://m", "LLM_TOP_P": "7"}, "llm-settings", "LLM_TOP_P"),
        ({"LLM_PROVIDER": "openai"}, "llm-settings", "OPENAI_API_KEY is not set"),
    ],
)
async def test_a_wrong_setting_is_named_with_what_to_do(
    environ: dict[str, str], changes: dict[str, str], name: str, words: str
) -> None:
    found = await examined("configuration", environ | changes)
    assert found[name]["verdict"] == "failed"
    assert words in found[name]["message"]
    assert found[name]["hint"]


async def test_variables_without_effect_are_named(environ: dict[str, str]) -> None:
    llm = {"LLM_PROVIDER": "local", "LLM_API_BASE": "http://m", "LLM_CHUNKS": "7"}
    found = await examined("configuration", environ | llm)
    assert found["llm-settings"]["message"].endswith("without effect: LLM_CHUNKS")


async def test_wrong_llm_variables_stop_the_checks_of_the_model(environ: dict[str, str]) -> None:
    found = await examined("model", environ | {"LLM_PROVIDER": "nobody"})
    assert [each["verdict"] for each in found.values()] == ["failed", "skipped", "skipped", "skipped"]
    assert "LLM_PROVIDER" in found["model"]["message"]


async def test_without_a_model_there_is_nothing_to_ask(environ: dict[str, str]) -> None:
    found = await examined("model", environ)
    assert {each["verdict"] for each in found.values()} == {"skipped"}
    assert "--model-endpoint" in found["model"]["hint"]


async def test_absent_and_empty_files_are_named_and_no_content_is_shown(environ: dict[str, str], secrets: Path) -> None:
    (secrets / "llm-api-key").write_text("sk-12345\n")
    (secrets / "redis-url").write_text("\n")
    asked: dict[str, Any] = {
        "namespace": "default",
        "agent_uid": "a1",
        "required_secrets": ("llm-api-key", "nats.creds"),
    }

    found = (await examined("secrets", environ, **asked))["secrets"]

    assert found["verdict"] == "failed"
    assert found["message"].endswith("a1: nats.creds, redis-url")
    (secrets / "nats.creds").write_text("-----BEGIN")
    (secrets / "redis-url").write_text("redis://x")
    found = (await examined("secrets", environ, **asked))["secrets"]
    assert (found["verdict"], "sk-12345" in str(found)) == ("ok", False)
    assert found["message"].endswith("llm-api-key, nats.creds, redis-url")


async def test_what_may_not_be_shown_is_known_from_everywhere(environ: dict[str, str], secrets: Path) -> None:
    (secrets / "llm-api-key").write_text("sk-of-the-file\n")
    settings = DoctorSettings(
        environ=environ | {"OPENAI_API_KEY": "sk-openai", "COGNITIVE_NATS_URL": "nats://u:password@h:1,nats://h:2"},
        agent_uid="a1",
    )
    assert {"sk-of-the-file", "sk-openai", "password"} == set(settings.secret_texts())
    assert "sk-openai" not in repr(settings)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"error": "ModuleNotFoundError: No module named 'cognitive_runtime'"}, "cannot be used on 10.0.0.1"),
        ({"runtime": "0.9"}, "10.0.0.1 has 0.9"),
        ({"missing": ["llm-api-key"]}, "10.0.0.1 lacks llm-api-key"),
        ({"can_spool": False}, "spool folder cannot be written on 10.0.0.1"),
    ],
)
def test_one_bad_node_among_good_ones_is_named(changes: dict[str, object], words: str) -> None:
    assert judge_nodes([NODE], "1.0").status == "ok"
    found = judge_nodes([NODE | {"node": "10.0.0.2"}, NODE | changes], "1.0")
    assert found.status == "failed"
    assert words in found.message
    assert "10.0.0.2" not in found.message


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--namespace", "default"], "must be given together"),
        (["--model", "m"], "must be given together"),
        (["--require-secret", "x"], "--agent-uid"),
        (["--model-endpoint", "ftp://x", "--model", "m"], "endpoint must be an http(s) URL"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = _parser()
    with pytest.raises(SystemExit) as ended:
        doctor_settings(parser, parser.parse_args(["doctor", *argv]), {})
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "program", [[sys.executable, "-m", "cognitive_runtime"], [str(Path(sys.executable).parent / "cognitive-runtime")]]
)
def test_both_names_of_the_command_say_it_and_exit_with_it(program: list[str], environ: dict[str, str]) -> None:
    command = [*program, "doctor", "--only", "configuration"]
    done = subprocess.run(command, env=environ | {"LOG_LEVEL": "LOUD"}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("FAILED   environment")
    assert subprocess.run(command, env=environ, capture_output=True, check=False).returncode == 0
