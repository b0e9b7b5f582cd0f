"""Faults of the broker and of what comes by it: rows 7, 8, 9, 10 and 11 of the table."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from eventually import eventually
from fault_evidence import Body
from fault_invariants import AGENT, TASK
from fault_leftovers import on_ray
from fault_stream import REQUESTS, RESPONSES, Message, StreamAdmin, signed
from fault_switch import Fault, to
from fault_system import HOME, WORKERS, FaultSystem, is_quick
from fault_trial import Measured, Tell, Trial

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
DROPPED = "cognitive_operator_results_dropped_total"
DUPLICATE_WINDOW_S = 120.0


@pytest.fixture
def broker_gone(system: FaultSystem) -> Iterator[float]:
    """For how long the broker is to be gone; it is back after the test, whatever happened."""
    yield 20.0 if is_quick() else 60.0
    if not system.servers.nats.is_running:
        system.servers.nats.resume()


def response_of(stream: StreamAdmin, body: Body, number: int = 1) -> Message:
    return stream.last(RESPONSES, f"agent.response.*.*.*.{body['metadata']['uid']}.{number}")


def without_id(message: Message) -> Message:
    """Return a message that the broker cannot know again."""
    headers = {key: value for key, value in message.headers.items() if key.lower() != "nats-msg-id"}
    return Message(message.subject, headers, message.data)


def wait_dropped(system: FaultSystem, reason: str, before: float, count: int = 1) -> None:
    eventually(lambda: system.operator.metric(DROPPED, reason=reason) == before + count, 15.0, 0.2)


def test_row_07_the_broker_gone(trial: Trial, system: FaultSystem, broker_gone: float, measured: Measured) -> None:
    system.model.script(contains="<row07", delay_s=4.0)
    names = [f"row07-{n:02}" for n in range(12)]
    bodies = trial.start(*names)
    trial.wait_calls(8)
    system.servers.nats.kill()
    bodies += trial.start(*[f"row07-late-{n:02}" for n in range(4)])
    began_s = time.monotonic()
    eventually(lambda: time.monotonic() - began_s > broker_gone, broker_gone + 5, 1.0)
    assert system.operator.process.is_running
    assert system.observer.tasks(HOME)["row07-late-00"].phase == "Queued"
    system.servers.nats.resume()
    trial.postpone(broker_gone)
    back_s = time.monotonic()
    assert {each.phase for each in trial.wait_ended()} == {"Succeeded"}
    measured("gone for", f"{broker_gone:.0f} s")
    measured("all ended after its return in", f"{time.monotonic() - back_s:.1f} s")
    assert all(set(trial.executions(body).values()) == {1} for body in bodies)


def when_the_operator_starts(trial: Trial, system: FaultSystem) -> None:
    system.operator.stop()
    system.servers.nats.kill()
    trial.start("row07-operator")
    system.operator.resume()
    trial.wait_phase("Queued", "row07-operator", timeout_s=30.0)
    said = system.observer.present(AGENT, HOME)["thinker"].condition("Ready")
    assert (said["status"], said["reason"]) == ("False", "BrokerUnreachable")
    system.servers.nats.resume()
    trial.wait_phase("Succeeded", "row07-operator")


def when_an_executor_starts(trial: Trial, system: FaultSystem) -> None:
    system.loop.run(system.proxies.workers.sever())
    with system.namespace("row07") as namespace:
        trial.namespaces.append(namespace)
        system.add_key(namespace)
        (created,) = system.admin.create(namespace, system.agent("patient"))
        system.mount_key(created["metadata"]["uid"])
        trial.start("row07-executor", agent="patient", namespace=namespace)
        trial.wait_phase("Queued", "row07-executor", timeout_s=30.0, namespace=namespace)
        eventually(lambda: _jobs_of(system, created), 30.0, 0.5)
        system.loop.run(system.proxies.workers.heal())
        system.wait_ready(namespace, "patient")
        trial.wait_phase("Succeeded", "row07-executor", namespace=namespace)
        trial.finish()


def test_row_07_the_broker_gone_at_a_start(trial: Trial, system: FaultSystem, broker_gone: float, tell: Tell) -> None:
    tell(when_the_operator_starts, trial, system)
    tell(when_an_executor_starts, trial, system)


def _jobs_of(system: FaultSystem, agent: Body) -> bool:
    jobs = system.loop.run(on_ray(system.servers.ray.address))
    return any(agent["metadata"]["uid"] in job for job in jobs)


def test_row_08_an_empty_store(
    trial: Trial, system: FaultSystem, stream: StreamAdmin, broker_gone: float, measured: Measured
) -> None:
    """Attempts that run while the store is lost end by the response that they bring, and new ones begin."""
    agents = [agent.uid for agent in system.observer.present(AGENT, HOME).values()]
    needed = {name for name in stream.names() if "OBJ_" not in name or name.removeprefix("OBJ_results-") in agents}
    system.model.script(contains="<row08-running", delay_s=4.0)
    bodies = trial.start(*[f"row08-running-{n}" for n in range(4)])
    trial.wait_calls(4)
    system.servers.nats.kill()
    shutil.rmtree(system.servers.nats.store)
    system.servers.nats.resume()
    back_s = time.monotonic()
    bodies += trial.start(*[f"row08-new-{n}" for n in range(4)])
    ended = trial.wait_ended()
    measured("all ended after its return in", f"{time.monotonic() - back_s:.1f} s")
    assert stream.names() >= needed
    assert {each.phase for each in ended} == {"Succeeded"}
    assert all(set(trial.executions(body).values()) == {1} for body in bodies)


def a_stream_is_deleted(trial: Trial, system: FaultSystem, stream: StreamAdmin, lost: str) -> None:
    name, before = f"row08-{lost.lower().replace('_', '-')}", len(system.model.requests)
    bodies = trial.start(*[f"{name}-{n}" for n in range(8)])
    trial.wait_calls(before + 8)
    stream.delete_stream(lost)
    bodies += trial.start(*[f"{name}-new-{n}" for n in range(4)])
    ended = trial.wait_ended()
    eventually(lambda: lost in stream.names(), 15.0, 0.5)
    assert all(each.phase == "Succeeded" or each.status["reason"] == "ResultLost" for each in ended)
    assert all(set(trial.executions(body).values()) == {1} for body in bodies)


def test_row_08_a_stream_deleted(
    trial: Trial, system: FaultSystem, stream: StreamAdmin, subtests: pytest.Subtests
) -> None:
    """One after the other."""
    system.model.script(contains="<row08", delay_s=2.0)
    for lost in (REQUESTS, RESPONSES, "KV_claims", "KV_lease"):
        with subtests.test(lost):
            a_stream_is_deleted(trial, system, stream, lost)


def test_row_08_consumers_deleted_some_time_after_claims(
    trial: Trial, system: FaultSystem, stream: StreamAdmin
) -> None:
    """New consumers deliver every request again, also those of attempts whose claims were lost before."""
    uid = system.observer.present(AGENT, HOME)["thinker"].uid
    bodies = trial.start(*[f"row08-done-{n}" for n in range(8)])
    trial.wait_ended()
    stream.delete_stream("KV_claims")
    eventually(
        lambda: "KV_claims" in stream.names() and len(stream.contents("KV_claims", f"$KV.claims.{uid}.>")) >= 8,
        60.0,
        0.5,
    )
    system.model.script(contains="<row08-consumer", delay_s=1.0)
    bodies += trial.start(*[f"row08-consumer-{n}" for n in range(8)])
    trial.wait_calls(8 + 4)
    stream.delete_consumer(RESPONSES, "cognitive-operator")
    stream.delete_consumer(REQUESTS, uid)
    bodies += trial.start(*[f"row08-after-{n}" for n in range(4)])
    assert {each.phase for each in trial.wait_ended()} == {"Succeeded"}
    assert [trial.executions(body) for body in bodies] == [{1: 1}] * len(bodies)


def test_row_08_and_09_claims_lost_under_a_long_attempt_and_a_result_twice_after_the_window(
    trial: Trial, system: FaultSystem, stream: StreamAdmin, in_full: None
) -> None:
    """The long attempt is not taken for one that nobody began, which would be published anew after a minute.

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
