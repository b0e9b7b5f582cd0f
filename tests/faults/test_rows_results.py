"""Late, repeated and malformed results: rows 9, 10 and 11 of the table, and the long part of row 8."""

import json
import time
from collections import Counter

import pytest

from support.eventually import eventually
from support.faults.evidence import Body
from support.faults.invariants import AGENT, TASK
from support.faults.stream import RESPONSES, Message, StreamAdmin, signed
from support.faults.switch import Fault, to
from support.faults.system import HOME, WORKERS, FaultSystem
from support.faults.trial import Tell, Trial

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
DROPPED = "cognitive_operator_results_dropped_total"
DUPLICATE_WINDOW_S = 120.0


def response_of(stream: StreamAdmin, body: Body, number: int = 1) -> Message:
    return stream.last(RESPONSES, f"agent.response.*.*.*.{body['metadata']['uid']}.{number}")


def without_id(message: Message) -> Message:
    """Return a message that the broker cannot know again."""
    headers = {key: value for key, value in message.headers.items() if key.lower() != "nats-msg-id"}
    return Message(message.subject, headers, message.data)


def wait_dropped(system: FaultSystem, reason: str, before: float, count: int = 1) -> None:
    eventually(lambda: system.operator.metric(DROPPED, reason=reason) == before + count, 15.0, 0.2)


def test_row_08_and_09_claims_lost_under_a_long_attempt_and_a_result_twice_after_the_window(
    trial: Trial, system: FaultSystem, stream: StreamAdmin, in_full: None
) -> None:
    """The long attempt is not taken for an unclaimed one, which would be published again after a minute.

    Both take minutes, and neither has to do with the other.
    """
    system.model.script(contains="<row08-long", delay_s=75.0)
    (body,) = trial.start("row09-after")
    trial.wait_phase("Succeeded", "row09-after")
    writes, dropped = trial.writes("row09-after"), system.operator.metric(DROPPED, reason="AttemptClosed")
    message, began_s = response_of(stream, body), time.monotonic()
    (long,) = trial.start("row08-long", timeoutSeconds=200)
    trial.wait_phase("Running", "row08-long")
    stream.delete_stream("KV_claims")
    (ended,) = trial.wait_phase("Succeeded", "row08-long", timeout_s=100.0)
    assert len(ended.attempts) == 1
    assert trial.executions(long) == {1: 1}
    eventually(lambda: time.monotonic() - began_s > DUPLICATE_WINDOW_S + 5, DUPLICATE_WINDOW_S + 10, 1.0)
    stream.publish(message)
    wait_dropped(system, "AttemptClosed", dropped)
    assert trial.writes("row09-after") == writes


def a_late_result_of_an_earlier_attempt(trial: Trial, system: FaultSystem, stream: StreamAdmin) -> None:
    system.model.script(contains="<row10-late", status=503, times=1)
    system.model.script(contains="<row10-late", delay_s=3.0)
    dropped = system.operator.metric(DROPPED, reason="AttemptClosed")
    (body,) = trial.start("row10-late")
    eventually(lambda: trial.executions(body) == {1: 1, 2: 1}, 30.0)
    stream.publish(without_id(response_of(stream, body, 1)))
    wait_dropped(system, "AttemptClosed", dropped)
    (ended,) = trial.wait_phase("Succeeded", "row10-late")
    assert [attempt["outcome"] for attempt in ended.attempts] == ["Failed", "Succeeded"]
    assert trial.executions(body) == {1: 1, 2: 1}


def a_result_for_a_task_of_the_same_name(trial: Trial, system: FaultSystem, stream: StreamAdmin) -> None:
    (old,) = trial.start("row10-same")
    trial.wait_phase("Succeeded", "row10-same")
    message = response_of(stream, old)
    system.admin.delete(TASK, HOME, "row10-same")
    trial.observer.wait(lambda tasks: "row10-same" not in tasks, 10.0, HOME)
    system.model.script(contains="<row10-same", delay_s=3.0)
    dropped = system.operator.metric(DROPPED, reason="TaskGone")
    (new,) = trial.start("row10-same")
    eventually(lambda: trial.executions(new) == {1: 1}, 30.0)
    stream.publish(without_id(message))
    wait_dropped(system, "TaskGone", dropped)
    (ended,) = trial.wait_phase("Succeeded", "row10-same")
    assert ended.uid == new["metadata"]["uid"]
    assert trial.executions(old) == trial.executions(new) == {1: 1}


def a_result_twice_inside_the_window(trial: Trial, system: FaultSystem, stream: StreamAdmin) -> None:
    """The broker itself swallows the second; nothing follows, and so the trial is judged before that is looked at."""
    twice = system.switch.add(Fault(to(WORKERS, target="agent.response."), twice=True))
    (body,) = trial.start("row09-inside")
    trial.wait_phase("Succeeded", "row09-inside")
    writes = trial.writes("row09-inside")
    stream.publish(response_of(stream, body))
    trial.finish()
    assert twice.struck
    assert trial.writes("row09-inside") == writes


def test_row_09_and_10_results_that_nobody_waits_for(
    trial: Trial, system: FaultSystem, stream: StreamAdmin, tell: Tell
) -> None:
    tell(a_late_result_of_an_earlier_attempt, trial, system, stream)
    tell(a_result_for_a_task_of_the_same_name, trial, system, stream)
    tell(a_result_twice_inside_the_window, trial, system, stream)


def malformed(good: bytes) -> dict[str, bytes]:
    """Return what a signed message must not be; ``good`` is a response of another attempt."""
    told = json.loads(good)
    return {
        "not JSON": b"{",
        "wrong schema": json.dumps({"schema_version": 1}).encode(),
        "unknown version": json.dumps(told | {"schema_version": 99}).encode(),
        "invalid UTF-8": b'{"schema_version": 1, "result": "\xff\xfe"}',
        "NaN": json.dumps(told | {"confidence": float("nan")}).encode(),
        "deep": b"[" * 10_000 + b"]" * 10_000,
        "large": json.dumps(told | {"result": {"x": "y" * (1024 * 1024 - 4096)}, "task_uid": "?"}).encode(),
    }


def test_row_11_malformed_results(trial: Trial, system: FaultSystem, stream: StreamAdmin) -> None:
    (other,) = trial.start("row11-other")
    trial.wait_phase("Succeeded", "row11-other")
    system.model.script(contains="<row11-hit", delay_s=4.0)
    (body,) = trial.start("row11-hit")
    trial.wait_calls(2)
    agent_uid, task_uid = system.observer.present(AGENT, HOME)["thinker"].uid, body["metadata"]["uid"]
    key = stream.attempt_key(HOME, agent_uid, task_uid, 1)
    subject = f"agent.response.completed.{HOME}.{agent_uid}.{task_uid}.1"
    dropped = {
        reason: system.operator.metric(DROPPED, reason=reason) for reason in ("Malformed", "Unsigned", "WrongSignature")
    }
    good = response_of(stream, other).data
    bad = malformed(good)
    for content in bad.values():
        stream.publish(signed(key, subject, content))
    stream.publish(Message(subject, {}, good))
    stream.publish(signed(b"guessed", subject, good))
    trial.start("row11-beside")
    wait_dropped(system, "Malformed", dropped["Malformed"], len(bad))
    wait_dropped(system, "Unsigned", dropped["Unsigned"])
    wait_dropped(system, "WrongSignature", dropped["WrongSignature"])
    trial.wait_phase("Succeeded", "row11-hit", "row11-beside")
    eventually(lambda: stream.unsettled() == 0, 10.0, 0.2)
    logged = [line for line in trial.log() if line.get("message") == "dropped a response"]
    assert sum(line["reason"] == "Malformed" for line in logged) == len(bad)
    assert all(task_uid in line["subject"] for line in logged)
    letters = stream.contents("AGENT_DEAD_LETTERS", f"agent.dead_letter.completed.{HOME}.{agent_uid}.{task_uid}.1")
    kept = Counter(json.loads(letter)["reason"] for letter in letters)
    assert kept == {"Malformed": len(bad), "Unsigned": 1, "WrongSignature": 1}
