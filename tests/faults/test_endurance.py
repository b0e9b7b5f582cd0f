"""Two thousand tasks while the operator, the broker and an executor are each killed every minute, 20 s apart."""

import threading
import time

import pytest

from support.cluster.executor_processes import executor_pids, kill
from support.eventually import eventually
from support.faults.invariants import AGENT
from support.faults.load import Load, recovery_s, running
from support.faults.system import HOME, FaultSystem, is_quick
from support.faults.trial import Measured, Trial

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1500)]
BETWEEN_KILLS_S = 20.0
RECOVERY_WITHIN_S = 30.0


def kill_in_turn(system: FaultSystem, created: threading.Event) -> list[tuple[str, float]]:
    """Kill one part after the other until the load has been created; each is started again at once."""
    turns = [("operator", kill_operator), ("broker", kill_broker), ("executor", kill_executor)]
    kills: list[tuple[str, float]] = []
    while not created.wait(BETWEEN_KILLS_S if kills else 5.0):
        name, end = turns[len(kills) % len(turns)]
        kills.append((name, time.monotonic()))
        end(system)
    return kills


def kill_operator(system: FaultSystem) -> None:
    system.operator.kill()
    system.operator.resume()


def kill_broker(system: FaultSystem) -> None:
    system.servers.nats.kill()
    system.servers.nats.resume()


def kill_executor(system: FaultSystem) -> None:
    kill(executor_pids(system.observer.present(AGENT, HOME)["thinker"].uid))


def test_endurance(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    load = Load("endure", 400 if is_quick() else 2100, 8.0)
    system.model.script(contains="<endure", delay_s=0.3)
    with running(trial, load) as created:
        kills = kill_in_turn(system, created)
    ended = trial.wait_ended(180.0)
    lost = load.count - sum(each.phase == "Succeeded" for each in ended)
    twice = sum(count > 1 for count in system.model.executions.values())
    sightings = trial.observer.sightings
    recoveries = {name: [recovery_s(sightings, at_s) for kill, at_s in kills if kill == name] for name, _ in kills}
    measured("tasks, kills, lost, run twice", f"{len(ended)}, {len(kills)}, {lost}, {twice}")
    for name, seconds in recoveries.items():
        measured(f"recovery after {name} kills, longest of {len(seconds)}", f"{max(seconds):.1f} s")
    assert (lost, twice) == (0, 0)
    assert len(ended) == load.count
    last_s = kills[-1][1]
    before_the_end = [s for name, at_s in kills for s in [recovery_s(sightings, at_s)] if at_s < last_s]
    assert max(before_the_end) <= RECOVERY_WITHIN_S
    eventually(lambda: system.model.in_flight == 0, 30.0)
