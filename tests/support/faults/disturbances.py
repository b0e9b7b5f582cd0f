"""Disturbances that a random sequence is made of."""

import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from support.cluster.executor_processes import executor_pids
from support.faults.invariants import AGENT
from support.faults.switch import Call, Fault, Reply
from support.faults.system import API, BROKER, HOME, RAY, WORKERS, FaultSystem

Act = Callable[[FaultSystem], None]
SECONDS = (0.5, 4.0)
"""Minimum and maximum duration of a disturbance, and of the calm after it, in seconds."""


@dataclass(frozen=True)
class Disturbance:
    """Something bad for a while."""

    name: str
    begin: Act
    end: Act = lambda _: None


def sequence(seed: int, length: int) -> Sequence[tuple[Disturbance, float, float]]:
    """Return disturbances, each with its seconds and those of the calm after it: the same for the same seed."""
    chance = random.Random(seed)
    return [(chance.choice(DISTURBANCES), chance.uniform(*SECONDS), chance.uniform(*SECONDS)) for _ in range(length)]


def play(system: FaultSystem, steps: Sequence[tuple[Disturbance, float, float]]) -> None:
    """Disturb the system in this order; every disturbance ends."""
    for disturbance, seconds, calm in steps:
        disturbance.begin(system)
        try:
            time.sleep(seconds)
        finally:
            disturbance.end(system)
        time.sleep(calm)


def _calls(name: str, matches: Callable[[Call], bool], **fields: Any) -> Disturbance:
    """Return a disturbance of the calls that match."""
    added: list[Fault] = []

    def begin(system: FaultSystem) -> None:
        added.append(system.switch.add(Fault(matches, **fields)))

    def end(system: FaultSystem) -> None:
        system.switch.remove(added.pop())

    return Disturbance(name, begin, end)


def _writes_to(service: str) -> Callable[[Call], bool]:
    return lambda call: call.service == service and call.is_write


def _kill_operator(system: FaultSystem) -> None:
    system.operator.kill()
    system.operator.resume()


def _kill_executor(system: FaultSystem) -> None:
    for pid in executor_pids(system.observer.present(AGENT, HOME)["thinker"].uid):
        os.kill(pid, signal.SIGKILL)


DISTURBANCES: Sequence[Disturbance] = (
    Disturbance("operator killed", _kill_operator),
    Disturbance("operator stopped for a while", lambda s: s.operator.stop(), lambda s: s.operator.resume()),
    Disturbance("broker killed", lambda s: s.servers.nats.kill(), lambda s: s.servers.nats.resume()),
    Disturbance("executor killed", _kill_executor),
    Disturbance(
        "workers cut off from the broker",
        lambda s: s.loop.run(s.proxies.workers.sever()),
        lambda s: s.loop.run(s.proxies.workers.heal()),
    ),
    Disturbance(
        "operator cut off from the broker",
        lambda s: s.loop.run(s.proxies.broker.sever()),
        lambda s: s.loop.run(s.proxies.broker.heal()),
    ),
    Disturbance("watches cut", lambda s: s.loop.run(s.proxies.api.cut_streams())),
    _calls("API answers 500", lambda call: call.service == API, reply=Reply(500, b"{}")),
    _calls("API answers 429", _writes_to(API), reply=Reply(429, b"{}", {"Retry-After": "1"})),
    _calls("API answers are lost", _writes_to(API), cut="after"),
    _calls("API writes are doubled", _writes_to(API), twice=True),
    _calls("API is slow", _writes_to(API), delay_s=0.5),
    _calls("Ray never answers", lambda call: call.service == RAY, silent="before"),
    _calls("requests are doubled", _writes_to(BROKER), twice=True),
    _calls("the operator's publications are lost", _writes_to(BROKER), silent="before"),
    _calls("the operator's publications are slow", _writes_to(BROKER), delay_s=0.2),
    _calls("responses are doubled", _writes_to(WORKERS), twice=True),
    _calls("what workers publish is lost", _writes_to(WORKERS), silent="before"),
)
