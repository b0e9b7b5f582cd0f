"""Kills the operator at each of its outgoing writes in turn: once before the other side has got it, once after."""

import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Self

from servers.errors import ServerError
from support.eventually import eventually
from support.faults.switch import Call, Fault, When
from support.faults.system import API, BROKER, RAY, FaultSystem, is_quick

Matches = Callable[[Call], bool]
Story = Callable[[str], None]
"""Begins something whose names hold the given text and returns when it has come to its expected end."""
SIDES: tuple[When, When] = ("before", "after")
SHOWN_WORDS = {"$JS.API.STREAM.PURGE": 5, "$JS": 4, "agent.response": 3}
"""Number of leading words of a NATS subject that identify the kind of a write, without names and IDs, by prefix."""
QUICK_STEP = 8
KILL_TIMEOUT_S = 20.0
QUIET_S = 35.0
"""Longer than from one sweep to the next: what earlier tests have left is cleaned up by then."""


@dataclass(frozen=True)
class Spot:
    """A write of the story, known again in another run by its kind and by how many of its kind come before it."""

    kind: str
    number: int


@dataclass
class Kills:
    """Result of the loop over kills."""

    clean: list[Spot] = field(default_factory=list)
    """The writes of the run without a kill."""
    at: list[tuple[When, Spot]] = field(default_factory=list)
    """Writes at which the operator was killed, each with the side."""

    @property
    def missing(self) -> list[tuple[When, Spot]]:
        """Planned kills that did not happen, because the write did not come."""
        return [(when, spot) for spot in self.clean for when in SIDES if (when, spot) not in self.at]

    def summary(self) -> str:
        """Return how many kills struck at which kind of write."""
        kinds = Counter(f"{when} {spot.kind}" for when, spot in self.at)
        return ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()))


def operator_writes(call: Call) -> bool:
    """Tell the operator's writes."""
    return call.service in (API, RAY, BROKER) and call.is_write


def writes_for_agents(call: Call) -> bool:
    """Tell those of the operator's writes that are about an agent, and no task's."""
    of_tasks = ("cognitivetasks", "/events", "agent.request", "agent.control", "$KV.claims", "$JS.ACK", "STREAM.MSG")
    return operator_writes(call) and not any(word in call.target for word in of_tasks)


def kill_at_every_write(system: FaultSystem, story: Story, prefix: str, matches: Matches = operator_writes) -> Kills:
    """Play the story without a kill, and then so often that the operator was killed on both sides of each write.

    It is killed before a write, and after that when it has repeated the write; two writes far from each other share a
    run. A write that is not repeated, such as an Event, has a run of its own.
    """
    eventually(lambda: system.switch.quiet_s(operator_writes) > QUIET_S, 6 * QUIET_S, 1.0)
    watched = system.switch.add(Fault(matches))
    story(f"{prefix}-clean")
    system.switch.remove(watched)
    kills = Kills(_spots(watched.struck)[:: QUICK_STEP if is_quick() else 1])
    half = (len(kills.clean) + 1) // 2
    for number in range(half):
        with Killer(system, matches) as killer:
            for spot in kills.clean[number::half]:
                killer.strike_twice_at(spot)
            story(f"{prefix}-{number}")
        kills.at += killer.struck
    for number, (when, spot) in enumerate(kills.missing):
        with Killer(system, matches) as killer:
            killer.strike_at(when, spot)
            story(f"{prefix}-{when}-{number}")
        kills.at += killer.struck
    return kills


class Killer:
    """Kills the operator by SIGKILL at some of its writes, and starts it again at once; back when the block ends."""

    def __init__(self, system: FaultSystem, matches: Matches) -> None:
        self._system = system
        self._matches = matches
        self._faults: dict[tuple[When, Spot], Fault] = {}
        self._strikes = SimpleQueue[bool]()
        self._lock = threading.Lock()
        self._acted = self._killed = self._restarts = 0
        self._thread = threading.Thread(target=self._restart, name="restart", daemon=True)

    def strike_at(self, when: When, spot: Spot) -> Fault:
        """Kill it at a write."""
        return self._add(when, spot, lambda call: self._matches(call) and kind_of(call) == spot.kind, spot.number)

    def strike_twice_at(self, spot: Spot) -> None:
        """Kill it before a write, and after the same write when that is done again."""
        before = self.strike_at("before", spot)
        self._add("after", spot, lambda call: call in before.struck)

    @property
    def struck(self) -> list[tuple[When, Spot]]:
        """Writes at which the operator was killed, each with the side."""
        return [where for where, fault in self._faults.items() if fault.struck]

    def _add(self, when: When, spot: Spot, matches: Matches, skip: int = 0) -> Fault:
        fault = Fault(matches, times=1, skip=skip, cut=when, strike=when, act=self._strike)
        self._faults[when, spot] = self._system.switch.add(fault)
        return fault

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for fault in self._faults.values():
            self._system.switch.remove(fault)
        eventually(lambda: self._acted == len(self.struck) and self._restarts == self._killed, KILL_TIMEOUT_S)
        self._strikes.put(False)
        self._thread.join()

    def _strike(self) -> None:
        """Kill it, unless it is dead already: what it had sent before comes through a moment later."""
        with self._lock:
            self._acted += 1
            if not self._system.operator.is_running:
                return
            self._killed += 1
            self._strikes.put(True)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._system.operator.process.pid, signal.SIGKILL)

    def _restart(self) -> None:
        while self._strikes.get():
            with self._lock:
                self._system.operator.kill()
            try:
                self._system.operator.resume()
            except ServerError:
                assert not self._strikes.empty(), "the operator ends by itself"
            self._restarts += 1


def kind_of(call: Call) -> str:
    """Return what kind of write it is, without names and ids."""
    return f"{call.service} {call.verb} {_what_of(call)}"


def _what_of(call: Call) -> str:
    if call.service == BROKER:
        words = next((count for prefix, count in SHOWN_WORDS.items() if call.target.startswith(prefix)), 2)
        return ".".join(call.target.split(".")[:words])
    path = call.target.partition("?")[0]
    last = path.rstrip("/").rpartition("/")[2]
    if last in ("status", "stop", "events", "secrets"):
        plural = path.split("/")[-3] if last == "status" else ""
        return f"{plural}/{last}".strip("/")
    return "agent" if "/cognitiveagents/" in path else "job"


def _spots(calls: list[Call]) -> list[Spot]:
    seen = Counter[str]()
    spots: list[Spot] = []
    for kind in map(kind_of, calls):
        spots.append(Spot(kind, seen[kind]))
        seen[kind] += 1
    return spots
