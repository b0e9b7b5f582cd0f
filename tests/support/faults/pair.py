"""Two operators of one Lease, each with its own way to the API server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from servers.operator import OperatorProcess
from support.eventually import eventually
from support.faults.system import API, OTHER_API, FaultSystem

LOST = "Lease cognitive-system/cognitive-operator was not renewed for 10 s: "
"""Beginning of the cause that a leader logs when the API server does not answer it."""
LEADING = "cognitive_operator_leading"
TAKEN_OVER_WITHIN_S = 30.0
"""17 s by the Lease, and a slow machine."""


@dataclass(frozen=True)
class Pair:
    """Two operators; ``one`` reaches the API server through the proxy API, ``two`` through OTHER_API."""

    one: OperatorProcess
    two: OperatorProcess

    @property
    def leading(self) -> tuple[bool, bool]:
        """True for each of the two that leads."""
        return leads(self.one), leads(self.two)

    def wait_leader(self) -> tuple[OperatorProcess, str]:
        """Wait until exactly one of the two leads; return it and the proxy before its API server."""
        eventually(lambda: sum(self.leading) == 1, TAKEN_OVER_WITHIN_S, 0.2)
        return (self.one, API) if leads(self.one) else (self.two, OTHER_API)


@contextmanager
def pair_of(system: FaultSystem, directory: Path) -> Iterator[Pair]:
    """Run two operators in place of the system's own; the first one leads."""
    env = {**system.settings.env, "COGNITIVE_PEERING": "cognitive-operator"}
    with system.another_way(directory) as other, system.without_operator():
        first = replace(system.settings, log_path=directory / "first.log", env=env)
        with OperatorProcess.start(first) as one:
            eventually(lambda: leads(one), TAKEN_OVER_WITHIN_S, 0.2)
            with OperatorProcess.start(replace(other, log_path=directory / "second.log", env=env)) as two:
                yield Pair(one, two)


def standby_causes(operator: OperatorProcess) -> list[str]:
    """Return the causes by which an operator's log explains that it leads no more."""
    lines = operator.log_path.read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines if '"is standby"' in line]
    return [str(line["cause"]) for line in found]


def leads(operator: OperatorProcess) -> bool:
    """Return True if an operator says that it leads."""
    return operator.metric(LEADING) == 1.0
