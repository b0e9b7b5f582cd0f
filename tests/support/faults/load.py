"""A steady load of tasks, and how fast the system is back after a kill."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from support.faults.admin import path_of
from support.faults.evidence import Sighting
from support.faults.invariants import TASK
from support.faults.system import HOME
from support.faults.trial import Trial

PATIENT = {"maxRetries": 10, "backoffSeconds": 1}
"""More than the faults of one run cost a task."""


@dataclass(frozen=True)
class Load:
    """So many tasks at such a rate."""

    prefix: str
    count: int
    per_second: float
    agent: str = "thinker"

    @property
    def seconds(self) -> float:
        """Seconds that it takes to create the tasks."""
        return self.count / self.per_second


@contextmanager
def running(trial: Trial, load: Load) -> Iterator[threading.Event]:
    """Create tasks beside the block; the event is set when all are created, and the block's end waits for that."""
    created = threading.Event()
    errors: list[BaseException] = []

    def create() -> None:
        try:
            trial.system.loop.run(_create(trial, load), load.seconds + 120.0)
        except BaseException as error:  # told to the test below
            errors.append(error)
        created.set()

    thread = threading.Thread(target=create, name="load", daemon=True)
    thread.start()
    yield created
    thread.join()
    if errors:
        raise errors[0]


def recovery_s(sightings: list[Sighting], killed_s: float) -> float:
    """Return the seconds from a kill until a task succeeded that was created after it."""
    born: dict[str, float] = {}
    for sighting in sightings:
        born.setdefault(sighting.uid, sighting.at_s)
        if sighting.kind == TASK and sighting.phase == "Succeeded" and born[sighting.uid] > killed_s:
            return sighting.at_s - killed_s
    return float("inf")


async def _create(trial: Trial, load: Load) -> None:
    loop, admin = asyncio.get_running_loop(), trial.system.admin
    began_s = loop.time()
    async with asyncio.TaskGroup() as group:
        for number in range(load.count):
            await asyncio.sleep(began_s + number / load.per_second - loop.time())
            body = trial.body(f"{load.prefix}-{number:04}", load.agent, retryPolicy=PATIENT)
            group.create_task(admin.send("POST", path_of(TASK, HOME), body))
