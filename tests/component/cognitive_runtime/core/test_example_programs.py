"""The programs of examples/python run."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command, environment
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
PROGRAMS = Path(__file__).parents[4] / "examples" / "python"
LOCAL = {"core.py": 6, "agent.py": 2, "custom.py": 1}
"""Programs that need no Ray, with the number of their model calls."""
ON_RAY = {"agents_on_ray.py", "hybrid.py", "serve.py"}
HTTP = "http_client.py"


def settings(model: ScriptedModel) -> dict[str, str]:
    return {"LLM_PROVIDER": "local", "LLM_MODEL": "scripted", "LLM_API_BASE": model.url}


def variables(model: ScriptedModel) -> dict[str, str]:
    return environment(PYTHONPATH=os.pathsep.join(sys.path), **settings(model))


def run(program: str, model: ScriptedModel, *arguments: str) -> str:
    command = [sys.executable, str(PROGRAMS / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=variables(model))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_program_has_its_test() -> None:
    assert {path.name for path in PROGRAMS.glob("*.py")} == {*LOCAL, *ON_RAY, HTTP}


@pytest.mark.parametrize(("program", "calls"), LOCAL.items())
def test_a_program_without_ray_runs(
    program: str,
    calls: int,
    model: ScriptedModel,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in settings(model).items():
        monkeypatch.setenv(name, text)
    runpy.run_path(str(PROGRAMS / program))
    assert "scripted answer" in capsys.readouterr().out
    assert len(model.requests) == calls


def test_the_server_of_the_command_line_answers_and_ends_by_sigterm(model: ScriptedModel, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "cognitive_runtime", "serve", "--port", str(port)]
    server = ChildProcess(Command("serve", command, tmp_path / "serve.log", variables(model)))
    try:
        server.wait_until(http_ok(f"http://127.0.0.1:{port}/health"), 60, "a healthy core")
        printed = run(HTTP, model, f"http://127.0.0.1:{port}")
        assert printed.startswith("scripted answer\nevent: piece\n")
        assert "event: result\n" in printed
    finally:
        server.stop()
    (ready, *_) = [json.loads(line) for line in (tmp_path / "serve.log").read_text().splitlines()]
    assert (ready["event"], ready["url"]) == ("Serving", f"http://127.0.0.1:{port}")


@pytest.mark.ray_extended
@pytest.mark.parametrize("program", sorted(ON_RAY))
def test_a_program_on_ray_runs(program: str, model: ScriptedModel) -> None:
    assert "True" in run(program, model)
