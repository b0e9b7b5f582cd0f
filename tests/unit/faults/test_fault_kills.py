"""The loop over writes strikes each of them on both sides, and says which one never came."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from support.eventually import eventually
from support.faults import kills
from support.faults.kills import Kills, Spot, kill_at_every_write
from support.faults.switch import Call, Switchboard

STATUS = Call("api", "PATCH", "/apis/cognitive.seedcore.io/v1alpha1/namespaces/n/cognitivetasks/t/status")
EVENT = Call("api", "POST", "/apis/events.k8s.io/v1/namespaces/n/events")
REQUEST = Call("broker", "PUB", "agent.request.n.a.t.1")
READ = Call("api", "GET", "/apis/cognitive.seedcore.io/v1alpha1/namespaces/n/cognitivetasks/t")
WRITES = [REQUEST, STATUS, STATUS, EVENT]
NEVER_REPEATED = (EVENT,)


@dataclass
class Operator:
    """A program that can be killed, and does in its next life what the last one could not."""

    process: Any = None
    lives: int = 0

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def resume(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        self.lives += 1

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class System:
    switch: Switchboard = field(default_factory=Switchboard)
    operator: Operator = field(default_factory=Operator)

    def write(self, *calls: Call) -> None:
        """Do each as the operator would: again when it was killed at it."""
        for call in calls:
            fault = self.switch.take(call)
            while fault is not None and fault.strike is not None:
                lives = self.operator.lives
                fault.act()
                eventually(lambda: self.operator.lives > lives, 5.0)  # noqa: B023 - asked at once
                again = call not in NEVER_REPEATED and fault.strike == "before"
                fault = self.switch.take(call) if again else None


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(kills, "QUIET_S", 0.0)
    made = System()
    made.operator.resume()
    yield made
    made.operator.kill()


def kill(system: Any, *, absent_later: bool = False) -> Kills:
    plays: list[str] = []

    def story(name: str) -> None:
        plays.append(name)
        system.write(READ, *(WRITES[1:] if absent_later and len(plays) > 1 else WRITES))

    return kill_at_every_write(system, story, "story")


def test_each_write_is_struck_on_both_sides(system: Any) -> None:
    kills = kill(system)
    assert len(kills.clean) == len(WRITES)
    assert sorted((when, spot.kind, spot.number) for when, spot in kills.at) == sorted(
        (when, spot.kind, spot.number) for spot in kills.clean for when in ("before", "after")
    )
    assert kills.missing == []
    assert system.operator.lives == 1 + 2 * len(WRITES)


def test_a_write_that_never_comes_again_is_missing(system: Any) -> None:
    spot = Spot("broker PUB agent.request", 0)
    assert kill(system, absent_later=True).missing == [("before", spot), ("after", spot)]
