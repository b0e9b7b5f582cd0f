"""Faults of the model and of results: rows 20 and 23 of the table."""

import hashlib
import json
from typing import Any

import pytest

from fault_evidence import Sighting
from fault_stream import StreamAdmin
from fault_system import HOME, FaultSystem
from fault_trial import Measured, Trial

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]
ONE_RETRY = {"maxRetries": 1, "backoffSeconds": 0}
MIB = 1024 * 1024


def error_types(task: Sighting) -> list[str | None]:
    return [attempt.get("errorType") for attempt in task.attempts]


@pytest.mark.parametrize(
    ("name", "script", "expected", "is_retried"),
    [
        ("429", {"status": 429, "headers": {"Retry-After": "1"}}, "RateLimited", True),
        ("500", {"status": 500}, "ModelUnavailable", True),
        ("never", {"hang": True}, "ModelTimeout", True),
        ("truncated", {"content": '{"thought": "half', "finish_reason": "length"}, "TruncatedResponse", True),
        ("empty", {"content": ""}, "EmptyResponse", True),
        ("null", {"null_content": True}, "EmptyResponse", True),
        ("prose", {"content": "I would rather not say."}, "OutputParseError", True),
        ("no-json-at-all", {"body": "<html>"}, None, True),
        ("400", {"status": 400}, "BadRequest", False),
        ("401", {"status": 401}, None, False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_row_23_a_model_that_fails(
    trial: Trial, system: FaultSystem, name: str, script: dict[str, Any], expected: str | None, is_retried: bool
) -> None:
    """Classified; retried once by its class; never a made-up value."""
    trial.calls_per_attempt = 2  # an answer that cannot be read is repaired once within its attempt
    system.model.script(contains=f"<row23-{name}>", **script)
    with system.namespace("row23") as namespace:
        trial.namespaces.append(namespace)
        system.add_agent(namespace, system.agent("hasty", llm={"timeoutSeconds": 2}))
        trial.start(f"row23-{name}", agent="hasty", namespace=namespace, retryPolicy=ONE_RETRY)
        (ended,) = trial.wait_phase("Failed", f"row23-{name}", namespace=namespace)
        trial.finish(quiet=False)
    assert "result" not in ended.status
    assert "confidence" not in ended.status
    assert len(ended.attempts) == (2 if is_retried else 1)
    assert len(set(error_types(ended))) == 1
    assert expected in (None, ended.status["reason"])


@pytest.mark.parametrize("confidence", [7, -1, "high", None])
def test_row_23_a_confidence_that_is_none(trial: Trial, system: FaultSystem, confidence: Any) -> None:
    """An out-of-range number is never passed on, and never replaced by one that nobody said."""
    trial.calls_per_attempt = 2
    name = f"row23-confidence-{str(confidence).strip('-').lower()}"
    content = json.dumps({"thought": "t", "proposed_solution": "s", "confidence_score": confidence})
    system.model.script(contains=f"<{name}>", content=content)
    trial.start(name, retryPolicy=ONE_RETRY)
    (ended,) = trial.wait_ended()
    assert "confidence" not in ended.status
    assert ended.phase == "Failed" or ended.status["confidenceReason"]


def test_row_23_a_slow_model(trial: Trial, system: FaultSystem) -> None:
    system.model.script(contains="<row23-slow>", delay_s=8.0)
    (body,) = trial.start("row23-slow")
    (ended,) = trial.wait_phase("Succeeded", "row23-slow")
    assert ended.status["durationSeconds"] >= 8.0
    assert trial.executions(body) == {1: 1}


@pytest.mark.parametrize("size", [0, 64 * 1024, MIB - 1, MIB, 5 * MIB])
def test_row_20_a_result_of_any_size(
    trial: Trial, system: FaultSystem, stream: StreamAdmin, measured: Measured, size: int
) -> None:
    """Inline up to 16 KiB, then by reference to what can be read back; few writes."""
    name = f"row20-{size}"
    plain = len(json.dumps({"thought": "", "proposed_solution": ""}, separators=(",", ":")))
    text = "x" * max(0, size - plain - 1)
    content = json.dumps({"thought": "t", "proposed_solution": text, "confidence_score": 0.5})
    system.model.script(contains=f"<{name}>", content=content if size else "")
    trial.start(name, retryPolicy={"maxRetries": 0})
    (ended,) = trial.wait_ended()
    assert trial.writes(name) <= 3
    if size == 0:
        assert ended.status["reason"] == "EmptyResponse"
        return
    assert ended.phase == "Succeeded", ended.status.get("message")
    ref = ended.status["resultRef"]
    stored = stream.read_object(ref["bucket"], ref["name"])
    measured("size by reference", ref["sizeBytes"])
    assert (len(stored), hashlib.sha256(stored).hexdigest()) == (ref["sizeBytes"], ref["sha256"])
    assert json.loads(stored)["proposed_solution"] == text
    assert ended.body["metadata"]["namespace"] == HOME
