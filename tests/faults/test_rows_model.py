"""Faults of the model and of results: rows 20, 23 and 31 of the table."""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support.eventually import eventually
from support.faults.evidence import Sighting
from support.faults.invariants import AGENT
from support.faults.stream import StreamAdmin
from support.faults.system import HOME, FaultSystem
from support.faults.trial import Measured, Trial

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]
ONE_RETRY = {"maxRetries": 1, "backoffSeconds": 0}
MIB = 1024 * 1024


@pytest.fixture(scope="module", autouse=True)
def hasty(system: FaultSystem) -> Iterator[None]:
    """An agent that waits two seconds for its model."""
    system.add_agent(HOME, system.agent("hasty", llm={"timeoutSeconds": 2}))
    yield
    system.admin.delete(AGENT, HOME, "hasty")


def error_types(task: Sighting) -> list[str | None]:
    return [attempt.get("errorType") for attempt in task.attempts]


@dataclass(frozen=True)
class Answer:
    name: str
    script: dict[str, Any]
    error_type: str | None
    """None: any, as long as it is a class of its own."""
    is_retried: bool


@pytest.mark.parametrize(
    "answer",
    [
        Answer("429", {"status": 429, "headers": {"Retry-After": "1"}}, "RateLimited", True),
        Answer("500", {"status": 500}, "ModelUnavailable", True),
        Answer("never", {"hang": True}, "ModelTimeout", True),
        Answer("truncated", {"content": '{"thought": "half', "finish_reason": "length"}, "TruncatedResponse", True),
        Answer("empty", {"content": ""}, "EmptyResponse", True),
        Answer("null", {"null_content": True}, "EmptyResponse", True),
        Answer("prose", {"content": "I would rather not say."}, "OutputParseError", True),
        Answer("no-json-at-all", {"body": "<html>"}, None, True),
        Answer("400", {"status": 400}, "BadRequest", False),
    ],
    ids=lambda answer: answer.name,
)
def test_row_23_a_model_that_fails(trial: Trial, system: FaultSystem, answer: Answer) -> None:
    """Classified; retried once by its class; never a made-up value."""
    trial.calls_per_attempt = 3  # a refused or failed call is made without a schema, too, and then without any format
    name = f"row23-{answer.name}"
    system.model.script(contains=f"<{name}>", **answer.script)
    trial.start(name, agent="hasty", retryPolicy=ONE_RETRY)
    (ended,) = trial.wait_phase("Failed", name)
    trial.finish(quiet=False)
    assert "result" not in ended.status
    assert "confidence" not in ended.status
    assert len(ended.attempts) == (2 if answer.is_retried else 1)
    assert len(set(error_types(ended))) == 1
    assert answer.error_type in (None, ended.status["reason"])


def test_row_23_a_refused_key_holds_the_queue_and_uses_up_no_retry(trial: Trial, system: FaultSystem) -> None:
    """The agent names the key; the task waits, and succeeds with the first try that the server accepts."""
    trial.calls_per_attempt = 2
    system.model.script(contains="<row23-401>", status=401, times=1)
    trial.start("row23-401", agent="hasty", retryPolicy=ONE_RETRY)
    eventually(lambda: model_ready(system, "hasty").get("reason") == "CredentialsRefused", 30.0)
    assert f"correct Secret {HOME}/model-key (key api-key)" in model_ready(system, "hasty")["message"]
    (ended,) = trial.wait_phase("Succeeded", "row23-401", timeout_s=150.0)
    trial.finish()
    assert error_types(ended) == ["CredentialsRefused", None]
    assert [attempt.get("counted", True) for attempt in ended.attempts] == [False, True]


def test_row_23_a_slow_model_and_a_confidence_that_is_none(
    trial: Trial, system: FaultSystem, subtests: pytest.Subtests
) -> None:
    """An out-of-range number is neither passed on nor replaced by an invented one."""
    trial.calls_per_attempt = 2
    confidences = {"row23-above": 7, "row23-below": -1, "row23-word": "high", "row23-null": None}
    for name, confidence in confidences.items():
        content = json.dumps({"thought": "t", "proposed_solution": "s", "confidence_score": confidence})
        system.model.script(contains=f"<{name}>", content=content)
    system.model.script(contains="<row23-slow>", delay_s=8.0)
    (slow,) = trial.start("row23-slow")
    trial.start(*confidences, retryPolicy=ONE_RETRY)
    trial.wait_ended()
    ended = trial.observer.tasks(HOME)
    for name in confidences:
        with subtests.test(name):
            assert "confidence" not in ended[name].status
            assert ended[name].phase == "Failed" or ended[name].status["confidenceReason"]
    with subtests.test("slow"):
        assert ended["row23-slow"].phase == "Succeeded"
        assert ended["row23-slow"].status["durationSeconds"] >= 8.0
        assert trial.executions(slow) == {1: 1}


def test_row_31_a_model_that_lists_itself_and_completes_nothing(
    trial: Trial, system: FaultSystem, measured: Measured
) -> None:
    """No task of a hundred fails, and the condition of the agent says what to do."""
    system.add_agent(HOME, system.agent("stuck", taskDefaults={}))
    names = [f"row31-{n:03}" for n in range(100)]
    system.model.script(contains="<row31-", status=503)
    trial.start(*names, agent="stuck")
    eventually(lambda: model_ready(system, "stuck").get("reason") == "InferenceFailing", 60.0)
    eventually(lambda: system.model.in_flight == 0, 10.0)
    failed = len(system.model.requests)
    measured("calls before the circuit opened", failed)
    told = system.servers.plane.kubectl.within(HOME)("describe", "cagent", "stuck")
    assert f"{system.model.url} does not complete calls of model 'stuck'" in told
    assert "Check the log and the load of the model server, or name another model or a fallback in spec.llm." in told
    assert len(system.model.requests) == failed, "the queue waits"
    system.model.reset()
    began_s = time.monotonic()
    ended = trial.wait_phase("Succeeded", *names, timeout_s=150.0)
    measured("seconds from the model's return to the last result", round(time.monotonic() - began_s, 1))
    ends = [attempt for each in ended for attempt in each.attempts if attempt["outcome"] == "Failed"]
    assert len(ends) == failed
    assert {attempt.get("counted") for attempt in ends} == {False}
    assert model_ready(system, "stuck")["status"] == "True"
    trial.finish()
    system.admin.delete(AGENT, HOME, "stuck")


def model_ready(system: FaultSystem, name: str) -> dict[str, Any]:
    found: dict[str, Any] = system.observer.present(AGENT, HOME)[name].condition("ModelReady")
    return found


def test_row_20_a_result_of_any_size(
    trial: Trial, system: FaultSystem, stream: StreamAdmin, measured: Measured, subtests: pytest.Subtests
) -> None:
    """Inline up to 16 KiB, then by reference to what can be read back; few writes."""
    plain = len(json.dumps({"thought": "", "proposed_solution": ""}, separators=(",", ":")))
    texts = {f"row20-{size}": "x" * (size - plain - 1) for size in (64 * 1024, MIB - 1, MIB, 5 * MIB)}
    for name, text in texts.items():
        content = json.dumps({"thought": "t", "proposed_solution": text, "confidence_score": 0.5})
        system.model.script(contains=f"<{name}>", content=content)
    system.model.script(contains="<row20-none>", content="")
    trial.start(*texts, "row20-none", retryPolicy={"maxRetries": 0})
    trial.wait_ended()
    (none,) = trial.wait_phase("Failed", "row20-none")
    assert none.status["reason"] == "EmptyResponse"
    assert trial.writes("row20-none") <= 3
    for name, text in texts.items():
        with subtests.test(name):
            (ended,) = trial.wait_phase("Succeeded", name, timeout_s=0.0)
            ref = ended.status["resultRef"]
            stored = stream.read_object(ref["bucket"], ref["name"])
            measured("size by reference", ref["sizeBytes"])
            assert (len(stored), hashlib.sha256(stored).hexdigest()) == (ref["sizeBytes"], ref["sha256"])
            assert json.loads(stored)["proposed_solution"] == text
            assert trial.writes(name) <= 3
            assert ended.body["metadata"]["namespace"] == HOME
