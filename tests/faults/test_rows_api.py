"""Faults between the operator and the API server: rows 4, 5, 6 and 17 of the table."""

import json
import time

import pytest

from support.eventually import eventually
from support.faults.admin import GROUP
from support.faults.invariants import AGENT, TASK
from support.faults.switch import Call, Fault, Reply, to
from support.faults.system import API, HOME, ROOT, FaultSystem, is_quick
from support.faults.trial import Measured, Tell, Trial

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]
RELIST_WITHIN_S = 80.0
TASKS_PATH = f"{GROUP}/cognitivetasks"


def is_watch(call: Call) -> bool:
    return call.service == API and call.is_watch


def is_task_write(call: Call) -> bool:
    return call.service == API and call.verb == "PATCH" and "/cognitivetasks/" in call.target


def refusal(code: int, reason: str, **headers: str) -> Reply:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    content = json.dumps(body | {"message": f"injected {reason}", "details": {}}).encode()
    return Reply(code, content, {"Content-Type": "application/json", **headers})


def test_row_04_a_watch_that_goes_silent(trial: Trial, system: FaultSystem, in_full: None, measured: Measured) -> None:
    system.loop.run(system.proxies.api.mute_streams())
    began_s = time.monotonic()
    (body,) = trial.start("row04-silent")
    trial.wait_phase("Succeeded", "row04-silent", timeout_s=RELIST_WITHIN_S + 10)
    measured("seen after", f"{time.monotonic() - began_s:.0f} s")
    assert time.monotonic() - began_s < RELIST_WITHIN_S
    assert trial.executions(body) == {1: 1}


def expired_event() -> Reply:
    """Return what the API server says on a watch that asks for a version which it has forgotten."""
    event = {"type": "ERROR", "object": json.loads(refusal(410, "Expired").body)}
    return Reply(200, json.dumps(event).encode() + b"\n", {"Content-Type": "application/json"})


def a_version_is_gone(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    """As an event of the watch, and as the answer to it."""
    for kind, reply in {"event": expired_event(), "status": refusal(410, "Expired")}.items():
        system.switch.clear()
        gone = system.switch.add(Fault(is_watch, times=4, reply=reply))
        pid = system.operator.process.pid
        system.loop.run(system.proxies.api.cut_streams())
        began_s = time.monotonic()
        (body,) = trial.start(f"row04-gone-{kind}")
        trial.wait_phase("Succeeded", f"row04-gone-{kind}", timeout_s=RELIST_WITHIN_S)
        measured(f"410 as {kind}: seen after", f"{time.monotonic() - began_s:.0f} s")
        assert gone.struck
        assert system.operator.process.pid == pid
        assert trial.executions(body) == {1: 1}


def events_are_missed(trial: Trial, system: FaultSystem) -> None:
    system.model.script(contains="<row04-running", delay_s=3.0)
    system.model.script(contains="<row04-deleted", hang=True)
    running, deleted, done = trial.start("row04-running", "row04-deleted", "row04-done")
    trial.wait_phase("Succeeded", "row04-done")
    eventually(lambda: trial.executions(running) and trial.executions(deleted), 30.0)
    system.operator.stop()
    system.admin.delete(TASK, HOME, "row04-deleted")
    (late,) = trial.start("row04-late")
    trial.start("row04-brief")
    system.admin.delete(TASK, HOME, "row04-brief")
    eventually(lambda: system.model.in_flight == 1, 10.0)
    system.operator.resume()
    assert {each.phase for each in trial.wait_ended()} == {"Succeeded"}
    assert [trial.executions(each) for each in (running, done, late)] == [{1: 1}] * 3
    assert trial.executions(deleted) == {1: 1}
    eventually(lambda: system.model.in_flight == 0, 100.0, 1.0)


def a_list_is_stale(trial: Trial, system: FaultSystem) -> None:
    """The list that a restarted operator gets still shows a task as running that has ended."""
    system.model.script(contains="<row04-stale", delay_s=1.5)
    (body,) = trial.start("row04-stale")
    trial.wait_phase("Running", "row04-stale")
    past = system.admin("GET", f"{TASKS_PATH}?limit=500")
    trial.wait_phase("Succeeded", "row04-stale")
    system.operator.stop()
    stale = Reply(200, json.dumps(past).encode(), {"Content-Type": "application/json"})
    is_list = lambda call: to(API, "GET", TASKS_PATH)(call) and not call.is_watch  # noqa: E731
    fault = system.switch.add(Fault(is_list, times=1, reply=stale))
    system.operator.resume()
    trial.start("row04-after")
    trial.wait_phase("Succeeded", "row04-after")
    assert fault.struck
    assert trial.executions(body) == {1: 1}


def test_row_04_what_a_watch_does_not_tell(trial: Trial, system: FaultSystem, measured: Measured, tell: Tell) -> None:
    tell(a_version_is_gone, trial, system, measured)
    tell(events_are_missed, trial, system)
    tell(a_list_is_stale, trial, system)


WRITE_FAULTS = {
    "409": Fault(is_task_write, times=3, reply=refusal(409, "Conflict")),
    "429": Fault(is_task_write, times=3, reply=refusal(429, "TooManyRequests", **{"Retry-After": "2"})),
    "500": Fault(is_task_write, times=3, reply=refusal(500, "InternalError")),
    "cut-before": Fault(is_task_write, times=3, cut="before"),
    "cut-after": Fault(is_task_write, times=1, cut="after"),
    "no-answer": Fault(is_task_write, times=1, silent="after"),
    "twice": Fault(is_task_write, twice=True),
    "slow": Fault(is_task_write, delay_s=1.0),
}


def test_row_05_a_write_that_fails(
    trial: Trial, system: FaultSystem, measured: Measured, subtests: pytest.Subtests
) -> None:
    """One fault after the other."""
    for name, fault in WRITE_FAULTS.items():
        with subtests.test(name):
            system.switch.clear()
            system.switch.add(fault)
            began_s = time.monotonic()
            (body,) = trial.start(f"row05-{name}")
            (ended,) = trial.wait_phase("Succeeded", f"row05-{name}")
            seconds = time.monotonic() - began_s
            measured(f"{name} ended after", f"{seconds:.1f} s")
            assert fault.struck
            assert trial.executions(body) == {1: 1}
            assert [attempt["outcome"] for attempt in ended.attempts] == ["Succeeded"]
            if name == "429":
                assert seconds >= 2.0 * len(fault.struck) - 0.5
    with subtests.test("422"):
        a_write_refused_as_invalid_ends_the_task(trial, system)


def a_write_refused_as_invalid_ends_the_task(trial: Trial, system: FaultSystem) -> None:
    """The API server would refuse it again."""
    system.switch.clear()
    system.switch.add(Fault(is_task_write, times=1, reply=refusal(422, "Invalid")))
    (body,) = trial.start("row05-422")
    (ended,) = trial.wait_phase("Failed", "row05-422")
    assert ended.status["reason"] == "StatusRefused"
    assert "injected Invalid" in ended.status["message"]
    assert "Update the CRDs in the cluster if they are not those of this version" in ended.status["message"]
    assert trial.executions(body) == {1: 1}


def all_rights_are_removed(trial: Trial, system: FaultSystem) -> None:
    kubectl, rbac = system.servers.plane.kubectl, ROOT / "docs" / "operations" / "rbac.yaml"
    kubectl("delete", "clusterrolebinding", "cognitive-operator")
    system.loop.run(system.proxies.api.cut_streams())
    try:
        trial.start("row05-403")
        eventually(lambda: any("403" in str(line.get("cause")) for line in trial.log()), 30.0)
        assert system.operator.process.is_running
    finally:
        kubectl("apply", "-f", str(rbac))
    trial.wait_phase("Succeeded", "row05-403", timeout_s=90.0)


def the_right_to_read_secrets_is_removed(trial: Trial, system: FaultSystem) -> None:
    no_secrets = Fault(to(API, "GET", f"/namespaces/{HOME}/secrets"), reply=refusal(403, "Forbidden"))
    system.switch.add(no_secrets)

    def named() -> bool:
        said = system.observer.present(AGENT, HOME)["thinker"].condition("ModelReady")
        return said["status"] == "Unknown" and "403" in said["message"] and "secrets" in said["message"]

    eventually(named, 60.0, 0.2)
    trial.start("row05-secret")
    system.switch.clear()
    system.wait_ready(HOME, "thinker")
    trial.wait_phase("Succeeded", "row05-secret", timeout_s=60.0)


def test_row_05_403(trial: Trial, system: FaultSystem, tell: Tell) -> None:
    """The message names the missing right, and all work continues once it is granted."""
    tell(all_rights_are_removed, trial, system)
    tell(the_right_to_read_secrets_is_removed, trial, system)


@pytest.mark.timeout(540)
def test_row_06_the_api_server_gone(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    """Gone for five minutes; results wait unacknowledged meanwhile."""
    gone_s = 20.0 if is_quick() else 300.0
    system.model.script(contains="<row06", delay_s=2.0)
    names = [f"row06-{n:02}" for n in range(12)]
    bodies = trial.start(*names)
    trial.wait_calls(4)
    system.servers.plane.stop_apiserver(kill=True)
    began_s = time.monotonic()
    try:
        eventually(lambda: time.monotonic() - began_s > gone_s, gone_s + 5, 1.0)
        assert system.operator.process.is_running
    finally:
        system.servers.plane.start_apiserver()
    back_s = time.monotonic()
    assert {each.phase for each in trial.wait_ended()} == {"Succeeded"}
    measured("gone for", f"{gone_s:.0f} s")
    measured("all ended after its return in", f"{time.monotonic() - back_s:.1f} s")
    assert [trial.executions(body) for body in bodies] == [{1: 1}] * len(bodies)


def a_wiped_status_is_rebuilt(trial: Trial, system: FaultSystem) -> None:
    (body,) = trial.start("row17-wiped")
    (ended,) = trial.wait_phase("Succeeded", "row17-wiped")
    system.admin.patch(TASK, HOME, "row17-wiped", {"status": None}, "/status")
    trial.observer.forget()  # the user's own change of a terminal status
    (again,) = trial.wait_phase("Succeeded", "row17-wiped")
    assert again.status["result"] == ended.status["result"]
    assert trial.executions(body) == {1: 1}
    trial.observer.forget()


def a_forged_status_stands(trial: Trial, system: FaultSystem) -> None:
    system.operator.stop()
    (body,) = trial.start("row17-forged")
    system.admin.patch(TASK, HOME, "row17-forged", {"status": {"phase": "Succeeded"}}, "/status")
    system.operator.resume()
    trial.start("row17-beside")
    trial.wait_phase("Succeeded", "row17-beside")
    assert trial.writes("row17-forged") == 0
    assert trial.executions(body) == {}
    system.admin.delete(TASK, HOME, "row17-forged")
    trial.observer.wait(lambda tasks: "row17-forged" not in tasks, 10.0, HOME)
    trial.observer.forget()  # a forged status breaks the invariants, by the user's own hand


def a_removed_finalizer_comes_back(trial: Trial, system: FaultSystem) -> None:
    finalizers = system.admin.get(AGENT, HOME, "thinker")["metadata"]["finalizers"]
    system.admin.patch(AGENT, HOME, "thinker", {"metadata": {"finalizers": None}})
    eventually(lambda: system.admin.get(AGENT, HOME, "thinker")["metadata"].get("finalizers") == finalizers, 15.0, 0.5)
    trial.start("row17-finalizer")
    trial.wait_phase("Succeeded", "row17-finalizer")


def test_row_17_what_users_do_to_the_operators_fields(trial: Trial, system: FaultSystem, tell: Tell) -> None:
    for change in (a_wiped_status_is_rebuilt, a_forged_status_stands, a_removed_finalizer_comes_back):
        tell(change, trial, system)
