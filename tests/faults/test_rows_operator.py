"""Faults of the operator itself: rows 1, 3, 18 and 24 of the table."""

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from servers.operator import OperatorProcess
from support.cluster.leftovers import of_task
from support.eventually import eventually
from support.faults.invariants import AGENT
from support.faults.kills import SIDES, Kills, kill_at_every_write, writes_for_agents
from support.faults.switch import Fault, to
from support.faults.system import BROKER, HOME, FaultSystem
from support.faults.trial import Measured, Trial

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
CLEAN_UP_S = 4.0
"""Limit of the wait for a deleted task's clean-up, which repeats the stop of its executor every 2 s."""


def outcomes(trial: Trial, name: str) -> list[tuple[str, str | None]]:
    attempts = trial.observer.tasks()[name].attempts
    return [(attempt["outcome"], attempt.get("errorType")) for attempt in attempts]


def judge(kills: Kills, measured: Measured) -> None:
    """Note the kills; each kind of write was one of a kill, on both sides. Two runs are not alike to the write."""
    measured("writes", len(kills.clean))
    measured("kills", kills.summary())
    measured("never came again", ", ".join(f"{when} {spot.kind} {spot.number}" for when, spot in kills.missing))
    assert kills.clean, "the story makes the operator write nothing"
    wanted = {(when, spot.kind) for spot in kills.clean for when in SIDES}
    assert {(when, spot.kind) for when, spot in kills.at} == wanted


@pytest.mark.timeout(900)
def test_row_01_killed_at_every_write_of_tasks(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    """One task succeeds, one is retried, one is deleted while it runs; in the warm executor."""

    def story(name: str) -> None:
        system.model.script(contains=f"<flaky-{name}>", status=503, times=1)
        system.model.script(contains=f"<gone-{name}>", hang=True)
        _, _, gone = trial.start(f"ok-{name}", f"flaky-{name}", f"gone-{name}")
        eventually(lambda: trial.executions(gone), 60.0)
        system.admin.delete("CognitiveTask", HOME, f"gone-{name}")
        trial.wait_ended(90.0)
        with suppress(AssertionError):  # an operator killed in its clean-up finds the rest a minute later, as an orphan
            eventually(lambda: not of_task(system.servers.nats.url, gone["metadata"]["uid"]), CLEAN_UP_S)
        assert outcomes(trial, f"ok-{name}") == [("Succeeded", None)]
        assert outcomes(trial, f"flaky-{name}") == [("Failed", "ModelUnavailable"), ("Succeeded", None)]

    kills = kill_at_every_write(system, story, "row01")
    judge(kills, measured)
    eventually(lambda: system.model.in_flight == 0, 120.0, 1.0)


@pytest.mark.timeout(600)
def test_row_01_killed_at_every_write_of_a_job(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    """A task in Job mode."""

    def story(name: str) -> None:
        trial.start(name, agent="jobber")
        trial.wait_ended(90.0)
        assert outcomes(trial, name) == [("Succeeded", None)]

    kills = kill_at_every_write(system, story, "row01-job")
    judge(kills, measured)


@pytest.mark.timeout(1500)
def test_row_01_killed_at_every_write_of_an_agent(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    """An agent is created, thinks, and is deleted. What is written for its task is killed at in the other stories."""

    def story(name: str) -> None:
        system.add_agent(HOME, system.agent(f"brief-{name}"))
        trial.start(name, agent=f"brief-{name}")
        trial.wait_ended(90.0)
        assert outcomes(trial, name) == [("Succeeded", None)]
        system.admin.delete("CognitiveTask", HOME, name)
        system.admin.delete(AGENT, HOME, f"brief-{name}")
        eventually(lambda: f"brief-{name}" not in trial.observer.present(AGENT, HOME), 60.0)

    kills = kill_at_every_write(system, story, "row01-agent", writes_for_agents)
    judge(kills, measured)


def test_row_03_killed_between_status_write_and_ack(trial: Trial, system: FaultSystem) -> None:
    before_ack = Fault(to(BROKER, target="$JS.ACK.AGENT_RESPONSES"), times=1, strike="before", cut="before")
    killed = Event()

    def kill() -> None:
        system.operator.kill()
        killed.set()

    before_ack.act = kill
    system.switch.add(before_ack)
    trial.start("row03")
    (ended,) = trial.wait_phase("Succeeded", "row03")
    assert killed.wait(10.0)
    writes = trial.writes("row03")
    system.operator.resume()
    trial.finish()
    assert trial.writes("row03") == writes
    assert trial.executions(ended.body) == {1: 1}


def test_row_18_two_operators_at_once(trial: Trial, system: FaultSystem, tmp_path: Path) -> None:
    second = replace(system.settings, log_path=tmp_path / "second.log")
    system.model.script(contains="<row18-", delay_s=0.2)
    system.model.script(contains="<row18-flaky", status=503, times=10)
    with OperatorProcess.start(second) as other:
        names = [f"row18-{n:02}" for n in range(40)] + [f"row18-flaky-{n}" for n in range(10)]
        bodies = trial.start(*names)
        trial.wait_ended()
        assert other.process.is_running
    assert {each.phase for each in trial.wait_ended()} == {"Succeeded"}
    assert all(set(trial.executions(body).values()) == {1} for body in bodies)
    assert '"traceback"' not in second.log_path.read_text(encoding="utf-8")


def test_row_24_sigterm_with_fifty_tasks_in_flight(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    with system.namespace("row24") as namespace:
        trial.namespaces.append(namespace)
        wide = system.agent("wide", queue={"maxConcurrentTasks": 50}, execution={"concurrencyPerWorker": 50})
        system.add_agent(namespace, wide)
        system.model.script(contains="<row24-", delay_s=5.0)
        names = [f"row24-{n:02}" for n in range(60)]
        bodies = trial.start(*names, agent="wide", namespace=namespace)
        eventually(lambda: system.model.in_flight == 50, 30.0)
        began_s = time.monotonic()
        system.operator.stop()
        seconds = time.monotonic() - began_s
        assert seconds < 15.0
        system.operator.resume()
        assert {each.phase for each in trial.wait_ended(namespace=namespace)} == {"Succeeded"}
        assert all(trial.executions(body) == {1: 1} for body in bodies)
        measured("stopped in", f"{seconds:.1f} s")
        trial.finish()


CLOCK = """
import os
import pathlib
from datetime import UTC, datetime, timedelta

from cognitive_operator.adapters.clock import SystemClock


def now(self):
    offset_s = float(pathlib.Path(os.environ["CLOCK_OFFSET_FILE"]).read_text())
    return (datetime.now(UTC) + timedelta(seconds=offset_s)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


SystemClock.now = now
"""
HOUR_S = 3600


def test_row_19_the_clock_jumps(trial: Trial, system: FaultSystem, tmp_path: Path, subtests: pytest.Subtests) -> None:
    """Of the operator's wall clock, while a task runs and another one waits for its retry: nothing ends early."""
    for jump_s in (HOUR_S, -HOUR_S):
        with subtests.test(str(jump_s)):
            the_clock_jumps(trial, system, tmp_path, jump_s)


def the_clock_jumps(trial: Trial, system: FaultSystem, tmp_path: Path, jump_s: int) -> None:
    (tmp_path / "sitecustomize.py").write_text(CLOCK, encoding="utf-8")
    offset = tmp_path / "offset"
    offset.write_text("0", encoding="utf-8")
    env = {**system.settings.env, "PYTHONPATH": str(tmp_path), "CLOCK_OFFSET_FILE": str(offset)}
    system.operator.stop()
    with OperatorProcess.start(replace(system.settings, log_path=tmp_path / "jumping.log", env=env)):
        name = f"row19-{jump_s}".replace("--", "-back-")
        system.model.script(contains=f"<{name}-runs", delay_s=6.0)
        system.model.script(contains=f"<{name}-again", status=503, times=1)
        runs, again = trial.start(f"{name}-runs", f"{name}-again", timeoutSeconds=30)
        eventually(lambda: trial.executions(runs) and trial.executions(again), 30.0)
        offset.write_text(str(jump_s), encoding="utf-8")
        assert {each.phase for each in trial.wait_ended(60.0)} == {"Succeeded"}
        (late,) = trial.start(f"{name}-late")
        trial.wait_phase("Succeeded", f"{name}-late")
    system.operator.resume()
    assert (trial.executions(runs), trial.executions(late)) == ({1: 1}, {1: 1})
    assert trial.executions(again) == {1: 1, 2: 1}
    for task in trial.wait_ended():
        assert 0 <= task.status["durationSeconds"] < 60
