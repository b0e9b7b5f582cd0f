"""Faults of executors and of Ray: rows 2, 12, 13, 14 and 34 of the table."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from servers.ray_head import RayHead
from support.cluster.executor_processes import executor_pids, kill, slot_pids
from support.cluster.leftovers import on_ray
from support.eventually import eventually
from support.faults.evidence import Body
from support.faults.invariants import AGENT
from support.faults.switch import Fault, to
from support.faults.system import HOME, RAY, FaultSystem
from support.faults.trial import Measured, Tell, Trial

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
NOTICED_WITHIN_S = 30.0


def wait_lost(trial: Trial, name: str, namespace: str = HOME) -> float:
    """Wait until the first attempt of a task is recorded as lost; return how long that took."""
    began_s = time.monotonic()

    def lost() -> bool:
        attempts = trial.observer.tasks(namespace)[name].attempts
        return bool(attempts) and attempts[0].get("errorType") in ("ExecutorLost", "LeaseLost")

    eventually(lost, NOTICED_WITHIN_S, 0.1)
    return time.monotonic() - began_s


def test_row_02_a_submission_that_timed_out_was_accepted(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    unanswered = system.switch.add(Fault(to(RAY, "POST", "/api/jobs/"), times=1, silent="after"))
    began_s = time.monotonic()
    (body,) = trial.start("row02", agent="jobber")
    (ended,) = trial.wait_phase("Succeeded", "row02", timeout_s=90.0)
    measured("ended after", f"{time.monotonic() - began_s:.1f} s")
    assert unanswered.struck
    assert [attempt["outcome"] for attempt in ended.attempts] == ["Succeeded"]
    assert trial.executions(body) == {1: 1}


def an_executor_is_killed(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    system.model.script(contains="<row12-killed", times=3, delay_s=20.0)
    bodies = trial.start(*[f"row12-killed-{n}" for n in range(3)])
    trial.wait_calls(3)
    kill(executor_pids(system.observer.present(AGENT, HOME)["thinker"].uid))
    measured("noticed after", f"{wait_lost(trial, 'row12-killed-0'):.1f} s")
    ended = trial.wait_ended()
    assert all([a["outcome"] for a in each.attempts] == ["Lost", "Succeeded"] for each in ended)
    assert all({a.get("errorType") for a in each.attempts} == {"ExecutorLost", None} for each in ended)
    assert [trial.executions(body) for body in bodies] == [{1: 1, 2: 1}] * 3


def a_worker_is_cut_off(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    """The worker stops its attempts itself."""
    system.model.script(contains="<row12-cut", times=2, hang=True)
    bodies = trial.start("row12-cut-0", "row12-cut-1")
    eventually(lambda: all(map(trial.executions, bodies)), 30.0)
    system.loop.run(system.proxies.workers.sever())
    began_s = time.monotonic()
    eventually(lambda: system.model.in_flight == 0, 25.0, 0.2)
    measured("stopped by the worker itself after", f"{time.monotonic() - began_s:.1f} s")
    measured("noticed by the operator after", f"{time.monotonic() - began_s + wait_lost(trial, 'row12-cut-0'):.1f} s")
    system.loop.run(system.proxies.workers.heal())
    ended = trial.wait_ended()
    assert {each.phase for each in ended} == {"Succeeded"}
    assert [trial.executions(body) for body in bodies] == [{1: 1, 2: 1}] * 2


def test_row_12_an_executor_lost(trial: Trial, system: FaultSystem, measured: Measured, tell: Tell) -> None:
    tell(an_executor_is_killed, trial, system, measured)
    tell(a_worker_is_cut_off, trial, system, measured)


def test_row_12_a_warm_slot_killed(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    """The process that runs the attempt dies, its fork server does not; the retry runs in the next process."""
    with system.namespace("row12") as namespace:
        trial.namespaces.append(namespace)
        execution = {"mode": "Job", "job": {"warmSlots": 1}}
        uid = system.add_agent(namespace, system.agent("slotted", execution=execution))["metadata"]["uid"]
        wait_slot(system, namespace)
        system.model.script(contains="<row12-slot", times=1, hang=True)
        (body,) = trial.start("row12-slot", agent="slotted", namespace=namespace)
        trial.wait_calls(1)
        (killed,) = slot_pids(uid)
        kill([killed])
        measured("noticed after", f"{wait_lost(trial, 'row12-slot', namespace):.1f} s")
        (ended,) = trial.wait_phase("Succeeded", "row12-slot", namespace=namespace)
        assert [attempt["outcome"] for attempt in ended.attempts] == ["Lost", "Succeeded"]
        assert [attempt.get("errorType") for attempt in ended.attempts] == ["ExecutorLost", None]
        workers = {attempt["worker"] for attempt in ended.attempts}
        assert len(workers) == 2
        assert all(worker.startswith("ca-s0-") for worker in workers), "an attempt was no slot's"
        assert trial.executions(body) == {1: 1, 2: 1}
        trial.finish()


def wait_slot(system: FaultSystem, namespace: str) -> None:
    """Wait until the one warm slot of the agent ``slotted`` is ready."""

    def ready() -> bool:
        condition = system.observer.present(AGENT, namespace)["slotted"].condition("ExecutorReady")
        return bool(condition["message"].startswith("1 of 1 warm slots"))

    eventually(ready, 60.0, 0.1)


@pytest.fixture
def second_head() -> Iterator[RayHead]:
    """A Ray head of the test's own, which it may kill."""
    with RayHead.start() as head:
        yield head


def test_row_13_the_ray_head_killed(
    trial: Trial, system: FaultSystem, second_head: RayHead, measured: Measured
) -> None:
    """The new head knows none of the old one's jobs."""
    with system.namespace("row13") as namespace:
        trial.namespaces.append(namespace)
        body = system.agent("fragile", address=second_head.address, llm={"apiKeySecretRef": None})
        system.add_agent(namespace, body)
        system.model.script(contains="<row13-lost", times=2, delay_s=25.0)
        bodies = trial.start("row13-lost-0", "row13-lost-1", agent="fragile", namespace=namespace)
        trial.wait_calls(2)
        second_head.kill()
        measured("noticed after", f"{wait_lost(trial, 'row13-lost-0', namespace):.1f} s")
        trial.start("row13-other")
        trial.wait_phase("Succeeded", "row13-other", timeout_s=5.0)
        second_head.resume()
        ended = trial.wait_ended(namespace=namespace)
        assert {each.phase for each in ended} == {"Succeeded"}
        assert [trial.executions(each) for each in bodies] == [{1: 1, 2: 1}] * 2
        trial.finish()


def test_row_13_a_dashboard_that_never_answers(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    """Job mode waits for it; an agent whose executor runs goes on, and one on another dashboard notices nothing."""
    silent = system.switch.add(Fault(to(RAY), silent="before"))
    began_s = time.monotonic()
    (body,) = trial.start("row13-job", agent="jobber")
    trial.start("row13-embedded")
    trial.wait_phase("Succeeded", "row13-embedded", timeout_s=5.0)
    measured("an Embedded task beside it ended after", f"{time.monotonic() - began_s:.1f} s")

    def named() -> bool:
        said = system.observer.present(AGENT, HOME)["jobber"].condition("RayReady")
        return (said["status"], said["reason"]) == ("False", "RayUnreachable") and "no answer" in said["message"]

    eventually(named, 60.0, 0.2)
    measured("named after", f"{time.monotonic() - began_s:.1f} s")
    system.switch.remove(silent)
    trial.wait_phase("Succeeded", "row13-job", timeout_s=90.0)
    assert trial.executions(body) == {1: 1}
    system.wait_ready(HOME, "thinker")


def test_row_34_a_ray_that_answers_and_takes_no_jobs(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    """The agent is not ready and names the dashboard; tasks of another agent go on; afterwards each job runs once."""
    silent = system.switch.add(Fault(to(RAY, "POST", "/api/jobs/"), silent="before"))
    began_s = time.monotonic()
    bodies = trial.start(*[f"row31-job-{n}" for n in range(3)], agent="jobber")
    eventually(lambda: bool(silent.struck), 10.0)

    def told() -> bool:
        condition = system.observer.present(AGENT, HOME)["jobber"].condition("RayReady")
        return (condition["status"], condition["reason"]) == ("False", "RayTakesNoJobs")

    times_s, number = list[float](), 0
    while not told():
        assert time.monotonic() - began_s < 60.0, "the agent does not tell that its Ray takes no jobs"
        number, asked_s = number + 1, time.monotonic()
        trial.start(f"row31-beside-{number}")
        trial.wait_phase("Succeeded", f"row31-beside-{number}", timeout_s=5.0)
        times_s.append(time.monotonic() - asked_s)
    measured("named after", f"{time.monotonic() - began_s:.1f} s")
    measured("longest of the tasks beside it", f"{max(times_s):.2f} s")
    trial.wait_phase("Queued", *[f"row31-job-{n}" for n in range(3)], timeout_s=10.0)
    said = system.observer.present(AGENT, HOME)["jobber"].condition("RayReady")["message"]
    url = system.proxies.ray.url
    assert said.startswith(f"spec.ray.address: the dashboard at {url} answers, but takes no jobs: {url}/api/jobs/: no ")
    assert "Check the dashboard's log and the load of Ray's head; restart the head if it does not recover." in said
    system.switch.remove(silent)
    trial.wait_phase("Succeeded", *[f"row31-job-{n}" for n in range(3)], timeout_s=120.0)
    assert [trial.executions(body) for body in bodies] == [{1: 1}] * 3
    system.wait_ready(HOME, "jobber")


def test_row_13_a_job_that_never_began(trial: Trial, system: FaultSystem) -> None:
    """Ray runs the attempt's job and loses it before it claims its attempt; the attempt is closed and retried."""
    (body,) = trial.start("row13-unknown", agent="jobber")
    job = f"ct-{body['metadata']['uid']}-1"
    eventually(lambda: _job_pid(system, job), 30.0, 0.02)
    os.kill(_job_pid(system, job), signal.SIGKILL)
    (ended,) = trial.wait_phase("Succeeded", "row13-unknown", timeout_s=90.0)
    assert len(ended.attempts) == 2
    assert ended.attempts[0]["errorType"] in ("JobFailed", "ExecutorLost")
    assert trial.executions(body)[2] == 1


def _job_pid(system: FaultSystem, job: str) -> int:
    """Return the process of a job's entrypoint, 0 while there is none."""
    for folder in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{folder}/environ", "rb") as environment, open(f"/proc/{folder}/cmdline", "rb") as line:
                is_own = f"COGNITIVE_SUBMISSION_ID={job}".encode() in environment.read()
                if is_own and b"cognitive_runtime\0attempt" in line.read():
                    return int(folder)
        except OSError:
            continue
    return 0


def test_row_14_two_hundred_tasks_at_once(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    system.model.script(contains="<row14", delay_s=0.1)
    began_s = time.monotonic()
    bodies = trial.start(*[f"row14-{n:03}" for n in range(200)])
    ended = trial.wait_ended()
    measured("200 tasks of 0.1 s, 8 at a time, in", f"{time.monotonic() - began_s:.1f} s")
    measured("most at once", system.model.peak)
    assert {each.phase for each in ended} == {"Succeeded"}
    assert system.model.peak <= 8
    assert [trial.executions(body) for body in bodies] == [{1: 1}] * 200


def test_row_14_ten_jobs_at_once(trial: Trial, system: FaultSystem, in_full: None, measured: Measured) -> None:
    """In Job mode the head never holds more jobs than the agent's share."""
    most = 0

    def ended() -> bool:
        nonlocal most
        jobs = system.loop.run(on_ray(system.servers.ray.address))
        most = max(most, sum(" ct-" in job for job in jobs))
        return all(each.is_terminal for each in trial.observer.tasks(HOME).values())

    bodies: list[Body] = trial.start(*[f"row14-job-{n}" for n in range(10)], agent="jobber")
    eventually(lambda: len(trial.observer.tasks(HOME)) == 10, 10.0)
    eventually(ended, 200.0, 0.3)
    measured("most jobs at once", most)
    assert most <= 3  # two that run, and one that has answered and not ended yet
    assert [trial.executions(body) for body in bodies] == [{1: 1}] * 10
