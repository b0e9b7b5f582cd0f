"""The demo as a user runs it, with a scripted model in the place of the small one."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import ControlPlane, Kubectl
from controlplane.binaries import find_programs
from demo.examples import load_examples
from demo.running import load_running_demo
from support.builders.tool_requests import script_calls, step
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration, pytest.mark.ray_extended, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[3]
KEY = "sk-not-to-be-seen"
TASKS = load_examples(ROOT / "examples").tasks


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as server:
        yield server


class Demo:
    """Runs the demo's command line in a directory of its own."""

    def __init__(self, directory: Path, model_url: str) -> None:
        self.directory = directory
        llm = {"LLM_API_BASE": f"{model_url}/v1", "LLM_MODEL": "scripted", "LLM_API_KEY": KEY}
        self._env = {**os.environ, **llm, "PYTHONPATH": str(ROOT / "hack")}

    def __call__(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        argv = [sys.executable, "-m", "demo", "--directory", str(self.directory), *arguments]
        return subprocess.run(
            argv, env={**self._env, **env}, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
        )


@pytest.fixture
def demo(control_plane: ControlPlane, tmp_path: Path, model: ScriptedModel) -> Iterator[Demo]:
    """A demo; the control plane is asked for because without its programs there is none."""
    demo = Demo(tmp_path / "demo", model.url)
    yield demo
    demo("down")


def test_all_examples_succeed_and_what_is_kept_runs_until_it_is_told_to_stop(demo: Demo, model: ScriptedModel) -> None:
    answer = {"thought": "t", "solution_approach": "a", "solution_steps": ["s"], "success_metrics": ["m"]}
    script_calls(model, step("find_runbook", service="checkout"), answer=answer)
    done = demo(KEEP="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^\$ kubectl get ctask \S+ -o yaml$", done.stdout, re.MULTILINE)) == len(TASKS)
    assert len(re.findall(r"^cognitivetask\S+ +Succeeded ", done.stdout, re.MULTILINE)) == len(TASKS)
    assert 'The Deployment "checkout" is invalid' in done.stdout
    assert re.search(r"^0 of \d+ answers name what they were asked about$", done.stdout, re.MULTILINE)
    assert re.search(r"^follow-runbook: call 1, find_runbook of runbooks: Succeeded in ", done.stdout, re.MULTILINE)
    assert any("Undo the rollout if it doubled." in str(request.body) for request in model.requests)
    assert any("does not match template" in str(request.body) for request in model.requests)
    assert {request.headers["authorization"] for request in model.requests} == {f"Bearer {KEY}"}
    assert KEY not in done.stdout + done.stderr
    _, _, kubeconfig = done.stdout.partition("export KUBECONFIG=")
    kubectl = Kubectl(find_programs()["kubectl"], Path(kubeconfig.split()[0]), "default")
    assert len(kubectl.json("get", "ctask")["items"]) == len(TASKS)
    assert "an earlier demo is still running" in demo().stderr
    kept = load_running_demo(demo.directory / "running.json")
    assert kept is not None
    assert demo("down").returncode == 0
    assert not kept.is_running
    assert not any(Path(directory).exists() for directory in kept.directories)


EXAMPLES = """
apiVersion: cognitive.seedcore.io/v1alpha1
kind: CognitiveAgent
metadata: {name: sre}
spec:
  llm: {model: m, endpoint: "http://replaced:1/v1"}
  ray: {address: "http://replaced:1"}
---
apiVersion: cognitive.seedcore.io/v1alpha1
kind: CognitiveTask
metadata: {name: doomed}
spec:
  agentRef: {name: sre}
  type: FailureAnalysis
  input: {incident_id: checkout-1, error_message: replaced}
"""


def test_a_failed_task_makes_the_demo_fail_and_leaves_nothing_running(
    demo: Demo, model: ScriptedModel, tmp_path: Path
) -> None:
    (tmp_path / "examples.yaml").write_text(EXAMPLES)
    model.script(status=400)
    done = demo("--examples", str(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.findall(r"^cognitivetask\S+/(\S+) +(\S+) ", done.stdout, re.MULTILINE) == [("doomed", "Failed")]
    assert "Stopping all components: done" in done.stderr
    assert not (demo.directory / "running.json").exists()
    assert not (demo.directory / "control-plane").exists()
