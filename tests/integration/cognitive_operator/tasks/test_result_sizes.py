"""Results of every size arrive, stay, and can be read back."""

import hashlib
import json
import subprocess
import sys
from typing import Any

import pytest

from controlplane import ControlPlane
from servers.nats import NatsServer
from servers.process import environment
from support.builders.cognitive_objects import Cluster, task
from support.eventually import eventually
from support.log_lines import whole_lines
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]
MIB = 1024 * 1024
SIZES = {"1": 1, "64-ki": 64 * 1024, "1-mi-less-1": MIB - 1, "1-mi": MIB, "5-mi": 5 * MIB}
"""Bytes of the longest text of the answer."""


def answer(size: int) -> str:
    text = ('é"\\\n0123456789x' * (size // 16 + 1)).encode()[: max(0, size - 1)].decode(errors="ignore") + "x" * (
        size > 0
    )
    return json.dumps({"thought": "t", "proposed_solution": text, "confidence_score": 0.5}, ensure_ascii=False)


class Reader:
    """Reads a result back as a user does."""

    def __init__(self, control_plane: ControlPlane, nats_server: NatsServer) -> None:
        addresses = {"KUBECONFIG": str(control_plane.kubeconfig_path), "COGNITIVE_NATS_URL": nats_server.url}
        self._environment = environment(**addresses)

    def __call__(self, name: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "cognitive_operator", "result", name]
        return subprocess.run(argv, env=self._environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def read(control_plane: ControlPlane, nats_server: NatsServer) -> Reader:
    return Reader(control_plane, nats_server)


@pytest.mark.parametrize("name", SIZES)
def test_a_result_of_any_size(
    home: Cluster, model: ScriptedModel, read: Reader, control_plane: ControlPlane, name: str
) -> None:
    content = answer(SIZES[name])
    model.script(contains=f"answer of {name}.", content=content)
    home.apply(task(f"size-{name}", "thinker", input={"error_message": f"answer of {name}."}))
    status = eventually(lambda: ended(home, f"size-{name}"), 60.0)
    assert status["phase"] == "Succeeded", status
    assert ("result" in status, "resultRef" in status) == (SIZES[name] == 1, SIZES[name] > 1)
    done = read(f"thinkers/size-{name}")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["proposed_solution"] == json.loads(content)["proposed_solution"]
    stored = json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode()
    if "resultRef" in status:
        ref = status["resultRef"]
        assert (ref["sizeBytes"], ref["sha256"]) == (len(stored), hashlib.sha256(stored).hexdigest())
        assert len(stored) >= SIZES[name]
    assert len(status["attempts"]) == 1
    assert writes(control_plane, f"size-{name}") <= 3


def test_an_empty_answer_is_no_result_and_ends_the_task(
    home: Cluster, model: ScriptedModel, control_plane: ControlPlane
) -> None:
    model.script(contains="answer of nothing", content=answer(0))
    policy = {"maxRetries": 1, "backoffSeconds": 0}
    home.apply(task("size-0", "thinker", input={"error_message": "answer of nothing"}, retryPolicy=policy))
    status = home.wait_phase("size-0", "Failed")
    assert (status["reason"], len(status["attempts"])) == ("OutputParseError", 2)
    assert not {"result", "resultRef"} & set(status)
    assert writes(control_plane, "size-0") <= 4


def ended(home: Cluster, name: str) -> dict[str, Any] | None:
    status = home.status(name)
    return status if status.get("phase") in ("Succeeded", "Failed") else None


def writes(control_plane: ControlPlane, name: str) -> int:
    """Count the operator's tries to write to a task, refused ones too."""
    events = map(json.loads, whole_lines(control_plane.audit_log_path))
    return sum(
        1
        for event in events
        if event.get("stage") == "ResponseComplete"
        and event["verb"] in ("create", "update", "patch")
        and (event.get("objectRef") or {}).get("name") == name
        and "kubectl" not in event.get("userAgent", "")
    )


def test_what_cannot_be_read_says_why(home: Cluster, model: ScriptedModel, read: Reader) -> None:
    model.script(contains="a bad request", status=400)
    home.apply(task("no-result", "thinker", input={"error_message": "a bad request"}))
    home.wait_phase("no-result", "Failed")
    failed, absent = read("thinkers/no-result"), read("thinkers/nobody")
    assert (failed.returncode, absent.returncode) == (1, 1)
    assert "task thinkers/no-result has no result: it is Failed (BadRequest): " in failed.stderr
    assert "task thinkers/nobody does not exist" in absent.stderr
