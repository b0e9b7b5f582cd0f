"""Complete lists replace lost watch events, and attempts of an earlier process are adopted."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.errors import ApiUnavailableError
from cognitive_operator.reconcile.resync import Resync, ResyncSources
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.timing import Timing
from cognitive_operator.reconcile.state.watch import WatchLag
from support.builders import operator_objects as o
from support.fakes.broker import FakeRequests
from support.fakes.clock import FakeClock
from support.fakes.kube import FakeResources

AGENT = ("team", "sre")


@dataclass
class Enqueued:
    """A work queue that only records its keys."""

    keys: list[Any] = field(default_factory=list)

    def add(self, key: Any) -> None:
        self.keys.append(key)


class System:
    """An operator that has just started."""

    def __init__(self, *tasks: dict[str, Any]) -> None:
        self.resources, self.requests = FakeResources(), FakeRequests()
        self.resources.listed = {"cognitiveagents": [o.agent_body()], "cognitivetasks": tasks}
        self.index, self.tasks, self.agents = Index(), Enqueued(), Enqueued()
        self.discarded: list[AttemptGarbage] = []
        tasks_queue: Any = self.tasks
        agents_queue: Any = self.agents
        clock = FakeClock()
        intake = Intake(self.index, clock, tasks_queue, agents_queue, self.discarded.append)
        sources = ResyncSources(self.resources, self.requests, WatchLag(clock))
        self.resync = Resync(sources, self.index, intake, clock, Timing(start_retry_s=0.0))


def attempted(mode: str = "Job", outcome: str | None = None) -> dict[str, Any]:
    attempt = {"number": 1, "agentUid": o.AGENT_UID, "mode": mode} | ({"outcome": outcome} if outcome else {})
    return o.task_body({"phase": "Running", "attempts": [attempt]})


async def test_objects_that_a_list_does_not_bring_any_more_are_forgotten() -> None:
    system = System(attempted())
    await system.resync.relist()
    assert (set(system.index.tasks), set(system.index.agents)) == ({o.TASK_UID}, {AGENT})
    system.resources.listed.clear()
    await system.resync.relist()
    assert (system.index.tasks, system.index.agents) == ({}, {})
    assert system.discarded == [AttemptGarbage("team", o.key(), is_gone=True, is_job=True)]


async def test_the_tasks_of_a_deleted_agent_are_enqueued() -> None:
    system = System(o.task_body())
    await system.resync.relist()
    system.tasks.keys.clear()
    del system.resources.listed["cognitiveagents"]
    await system.resync.relist()
    assert system.tasks.keys == [o.TASK_UID]


@pytest.mark.parametrize(("written", "adopted"), [("Job", "Job"), ("Embedded", "Embedded")])
async def test_an_attempt_of_an_earlier_process_is_adopted_in_the_mode_that_its_status_names(
    written: str, adopted: str
) -> None:
    system = System(attempted(written))
    system.requests.listed = {("team", o.key())}
    await system.resync.relist()
    await system.resync.adopt()
    attempt = system.index.tasks[o.TASK_UID].attempt
    assert attempt is not None
    assert (attempt.key, attempt.mode, attempt.since_s, attempt.claim) == (o.key(), adopted, 100.0, None)
    assert system.index.queue_of(AGENT).running == 1


@pytest.mark.parametrize("task", [o.task_body({"phase": "Succeeded"}), attempted(outcome="Failed")])
async def test_an_attempt_that_is_over_is_not_adopted(task: dict[str, Any]) -> None:
    system = System(task)
    system.requests.listed = {("team", o.key()), ("team", AttemptKey(o.AGENT_UID, "unknown", 1))}
    await system.resync.relist()
    await system.resync.adopt()
    assert system.index.tasks[o.TASK_UID].attempt is None
    assert system.index.queue_of(AGENT).running == 0


async def test_tasks_may_start_once_objects_and_requests_are_known() -> None:
    system = System(attempted())
    system.requests.listed = {("team", o.key())}
    failures = deque[Exception]([ApiUnavailableError("away")] * 2)
    system.resources.recorder.effects["resources.list"] = failures
    running = asyncio.create_task(system.resync.run())
    await asyncio.wait_for(system.resync.synced.wait(), 1.0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not failures
    assert (system.index.is_complete, system.index.is_settled) == (True, True)
    assert system.index.queue_of(AGENT).running == 1
    assert system.tasks.keys[-1] == o.TASK_UID
    assert AGENT in system.agents.keys
