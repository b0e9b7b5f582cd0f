"""Kills the operator at each of its outgoing writes in turn: once before the other side has got it, once after."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from eventually import eventually
from fault_switch import Call, Fault, When
from fault_system import API, BROKER, RAY, FaultSystem, is_quick

Matches = Callable[[Call], bool]
Story = Callable[[str], None]
"""Begins something whose names hold the given text and returns when it has come to its expected end."""
SIDES: tuple[When, When] = ("before", "after")
QUICK_STEP = 8
KILL_TIMEOUT_S = 20.0
QUIET_S = 35.0
"""Longer than from one sweep to the next: what earlier tests have left is cleaned up by then."""


@dataclass
class Kills:
    """What the loop did."""

    clean: list[Call] = field(default_factory=list)
    """The writes of the run without a kill."""
    at: list[tuple[When, Call]] = field(default_factory=list)

    def summary(self) -> str:
        """Return how many kills struck at which kind of write."""
        kinds = Counter(f"{call.service} {call.verb} {kind_of(call)}" for _, call in self.at)
        return ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()))


def operator_writes(call: Call) -> bool:
    """Tell the operator's writes."""
    return call.service in (API, RAY, BROKER) and call.is_write


def writes_for_agents(call: Call) -> bool:
    """Tell those of the operator's writes that are about an agent, and no task's."""
    of_tasks = ("cognitivetasks", "/events", "agent.request", "agent.control", "$KV.claims", "$JS.ACK", "STREAM.MSG")
    return operator_writes(call) and not any(word in call.target for word in of_tasks)


def kill_at_every_write(system: FaultSystem, story: Story, prefix: str, matches: Matches = operator_writes) -> Kills:
    """Play the story without a kill, then once for each of its writes that matches and each side of it.

    Two runs are not alike to the write: it goes on beyond the writes of the clean run for as long as a kill strikes.
    """
    kills = Kills()
    eventually(lambda: system.switch.quiet_s(operator_writes) > QUIET_S, 6 * QUIET_S, 1.0)
    watched = system.switch.add(Fault(matches))
    story(f"{prefix}-clean")
    system.switch.remove(watched)
    kills.clean = list(watched.struck)
    struck: list[Call | None] = []
    number = 0
    while number < len(kills.clean) or any(struck):
        struck = [
            _play(system, story, f"{prefix}-{number}-{when}", Kill(system, number, when, matches)) for when in SIDES
        ]
        kills.at += [(when, call) for when, call in zip(SIDES, struck, strict=True) if call is not None]
        number += QUICK_STEP if is_quick() else 1
    return kills


class Kill:
    """Ends the operator by SIGKILL at its write number ``skip`` of those that match, and starts it again at once."""

    def __init__(self, system: FaultSystem, skip: int, when: When, matches: Matches) -> None:
        self._system = system
        self._done = threading.Event()
        fault = Fault(matches, times=1, skip=skip, cut=when, strike=when, act=self._strike)
        self.fault = system.switch.add(fault)
        self._thread = threading.Thread(target=self._restart, name="restart", daemon=True)
        self._stopped = False
        self._thread.start()

    def end(self) -> Call | None:
        """Wait until the operator is back; return the write at which it was killed, None if there was none."""
        self._system.switch.remove(self.fault)
        self._stopped = True
        if self.fault.struck:
            self._done.wait(KILL_TIMEOUT_S)
        else:
            self._done.set()
        self._thread.join(4 * KILL_TIMEOUT_S)
        return self.fault.struck[0] if self.fault.struck else None

    def _strike(self) -> None:
        os.kill(self._system.operator.process.pid, signal.SIGKILL)
        self._system.operator.kill()
        self._done.set()

    def _restart(self) -> None:
        self._done.wait()
        if self.fault.struck:
            self._system.operator.resume()


def kind_of(call: Call) -> str:
    """Return what kind of write it is, without names and ids."""
    if call.service == BROKER:
        words = call.target.split(".")
        return ".".join(words[: 4 if words[0] == "$JS" else 3 if words[1] == "response" else 2])
    path = call.target.partition("?")[0]
    last = path.rstrip("/").rpartition("/")[2]
    if last in ("status", "stop", "events", "secrets"):
        plural = path.split("/")[-3] if last == "status" else ""
        return f"{plural}/{last}".strip("/")
    return "agent" if "/cognitiveagents/" in path else "job"


def _play(system: FaultSystem, story: Story, name: str, kill: Kill) -> Call | None:
    try:
        story(name)
    finally:
        struck = kill.end()
    return struck
