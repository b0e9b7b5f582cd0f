"""Two thousand tasks while parts are killed every 20 s and an operator is cut off from the API server."""

import heapq
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from threading import Event

import pytest
from nats.errors import Error as NatsError

from support.cluster.executor_processes import executor_pids, kill
from support.eventually import eventually
from support.faults.evidence import Sighting
from support.faults.invariants import AGENT
from support.faults.load import Load, recovery_s, running
from support.faults.pair import LOST, Pair, standby_causes
from support.faults.stream import StreamAdmin
from support.faults.switch import Fault
from support.faults.system import HOME, Cut, is_quick
from support.faults.trial import Measured, Trial

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1500)]
BETWEEN_KILLS_S = 20.0
CUT_S, CUT_EVERY_S = 75.0, 120.0
"""Longer than the 59 s and 72 s after which a cut off operator took another's tasks for orphans, each second minute."""
FIRST_CUT_S = 25.0 if is_quick() else 40.0
RECOVERY_WITHIN_S = 30.0
COSTS_S = {"operator": 22.0, "refused": 22.0, "vanishing": 22.0, "executor": 20.0, "broker": 10.0}
"""Time that a fault takes from the recovery of another one close to it. A leader is replaced after 17 s, or after 22 s
while the other operator is cut off."""
CLOSE_S = (-22.0, 19.0)
"""Times of another fault, relative to a fault, at which it delays the recovery."""
LARGE = json.dumps({"thought": "t", "proposed_solution": "x" * 64 * 1024, "confidence_score": 0.5})


@dataclass(frozen=True)
class Act:
    """Something to do at a time in seconds after the begin."""

    at_s: float
    name: str
    do: Callable[[], object]


class Faults:
    """Kills and cuts, and when each of them happened."""

    def __init__(self, trial: Trial, pair: Pair) -> None:
        self._trial, self._system, self._pair = trial, trial.system, pair
        self._cut: Fault | None = None
        self.struck: list[tuple[str, float]] = []

    def play(self, created: Event) -> None:
        """Strike in the order of the times until the load has been created."""
        began_s = time.monotonic()
        for act in heapq.merge(self._kills(), self._cuts(), key=lambda each: each.at_s):
            if created.wait(max(0.0, began_s + act.at_s - time.monotonic())):
                break
            self._trial.look()
            if act.name:
                self.struck.append((act.name, time.monotonic()))
            act.do()
        self._heal()

    def _kills(self) -> Iterator[Act]:
        at_s = 5.0
        while True:
            for name, do in (("operator", self._operator), ("broker", self._broker), ("executor", self._executor)):
                yield Act(at_s, name, do)
                at_s += BETWEEN_KILLS_S

    def _cuts(self) -> Iterator[Act]:
        at_s = FIRST_CUT_S
        kinds: tuple[Cut, Cut] = ("vanishing", "refused")
        while True:
            for kind in kinds:
                yield Act(at_s, kind, partial(self._cut_off, kind))
                yield Act(at_s + CUT_S, "", self._heal)
                at_s += CUT_EVERY_S

    def _operator(self) -> None:
        """Kill the operator that leads."""
        leader, _ = self._pair.wait_leader()
        leader.kill()
        leader.resume()

    def _broker(self) -> None:
        self._system.servers.nats.kill()
        self._system.servers.nats.resume()

    def _executor(self) -> None:
        kill(executor_pids(self._system.observer.present(AGENT, HOME)["thinker"].uid))

    def _cut_off(self, kind: Cut) -> None:
        """Cut the way of the operator that leads to the API server."""
        _, way = self._pair.wait_leader()
        self._cut = self._system.cut_api(way, kind)

    def _heal(self) -> None:
        if self._cut is not None:
            self._system.switch.remove(self._cut)


def unreadable(stream: StreamAdmin, ended: list[Sighting]) -> list[str]:
    """Return the names of the tasks whose large result cannot be read from the object store."""
    found = []
    for task in ended:
        if ref := task.status.get("resultRef"):
            try:
                is_whole = len(stream.read_object(ref["bucket"], ref["name"])) == ref["sizeBytes"]
            except NatsError:
                is_whole = False
            found += [] if is_whole else [task.name]
    return found


def test_endurance(trial: Trial, pair: Pair, stream: StreamAdmin, measured: Measured) -> None:
    system, load = trial.system, Load("endure", 400 if is_quick() else 2100, 8.0)
    system.model.script(contains="5> failed", delay_s=0.3, content=LARGE)
    system.model.script(contains="<endure", delay_s=0.3)
    faults = Faults(trial, pair)
    with running(trial, load) as created:
        faults.play(created)
    ended = trial.wait_ended(180.0)
    trial.look()
    lost = load.count - sum(each.phase == "Succeeded" for each in ended)
    twice = sum(count > 1 for count in system.model.executions.values())
    vanished = [*trial.vanished(), *unreadable(stream, ended)]
    numbers = f"{len(ended)}, {len(faults.struck)}, {lost}, {twice}, {len(vanished)}"
    measured("tasks, faults, lost, run twice, results that vanished", numbers)
    assert (lost, twice, vanished) == (0, 0, [])
    assert len(ended) == load.count
    assert sum("resultRef" in each.status for each in ended) == load.count / 10
    assert (pair.one.process.is_running, pair.two.process.is_running) == (True, True)
    cuts = [name for name, _ in faults.struck if name in ("refused", "vanishing")]
    causes = [*standby_causes(pair.one), *standby_causes(pair.two)]
    assert sum(cause.startswith(LOST) for cause in causes) >= len(cuts), causes
    recoveries_are_short(faults.struck, trial.observer.sightings, measured)
    eventually(lambda: system.model.in_flight == 0, 30.0)


def recoveries_are_short(struck: list[tuple[str, float]], sightings: list[Sighting], measured: Measured) -> None:
    """Check that tasks go on soon after each fault but the last one, which no new task may follow."""
    slow: list[str] = []
    longest: dict[str, float] = {}
    for name, at_s in struck[:-1]:
        took_s, limit_s = recovery_s(sightings, at_s), allowed_s(struck, name, at_s)
        longest[name] = max(longest.get(name, 0.0), took_s)
        slow += [f"{name}: {took_s:.1f} s of {limit_s:g} s"] if took_s > limit_s else []
    for name, took_s in longest.items():
        measured(f"longest recovery after {name}", f"{took_s:.1f} s")
    assert not slow


def allowed_s(struck: list[tuple[str, float]], fault: str, at_s: float) -> float:
    """Return how long the recovery from a fault may take, with the faults that strike close to it."""
    first_s, last_s = CLOSE_S
    close = [name for name, other_s in struck if other_s != at_s and first_s <= other_s - at_s < last_s]
    leaderless_s = 0.0 if fault in ("broker", "executor") else COSTS_S[fault]
    return RECOVERY_WITHIN_S + leaderless_s + sum(COSTS_S[name] for name in close)
