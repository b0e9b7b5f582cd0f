"""Complete lists replace lost watch events, and attempts of an earlier process are adopted."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.errors import ApiUnavailableError, ForbiddenError
from cognitive_operator.reconcile.resync import Resync, ResyncSources
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces
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
        self.namespaces = WatchedNamespaces(("other", "team"), lambda *_: None)
        sources = ResyncSources(self.resources, self.requests, WatchLag(clock), self.namespaces)
        self.intake = intake
        self.resync = Resync(sources, self.index, intake, clock, Timing(start_retry_s=0.0))
        self.namespaces.subscribe(self.resync.on_namespace)

    def of_two_namespaces(self) -> "System":
        """Watch the namespaces ``other`` and ``team``, each of which has an agent and a task."""
        self.resources.namespaces = frozenset({"other", "team"})
        self.resources.listed = {
            "cognitiveagents": [o.agent_body(), in_other(o.agent_body(), "other-agent")],
            "cognitivetasks": [o.task_body(), in_other(o.task_body(), "other-task")],
        }
        return self


def in_other(body: dict[str, Any], uid: str) -> dict[str, Any]:
    """Return an object of the namespace ``other``."""
    return {**body, "metadata": {**body["metadata"], "namespace": "other", "uid": uid}}


REFUSED = ForbiddenError('GET …/namespaces/other/cognitiveagents: 403 cannot list in the namespace "other"')


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
    assert system.index.queue_of(AGENT).slots_in_use == 1


@pytest.mark.parametrize("task", [o.task_body({"phase": "Succeeded"}), attempted(outcome="Failed")])
async def test_an_attempt_that_is_over_is_not_adopted(task: dict[str, Any]) -> None:
    system = System(task)
    system.requests.listed = {("team", o.key()), ("team", AttemptKey(o.AGENT_UID, "unknown", 1))}
    await system.resync.relist()
    await system.resync.adopt()
    assert system.index.tasks[o.TASK_UID].attempt is None
    assert system.index.queue_of(AGENT).slots_in_use == 0


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
    assert system.index.queue_of(AGENT).slots_in_use == 1
    assert system.tasks.keys[-1] == o.TASK_UID
    assert AGENT in system.agents.keys


async def test_a_namespace_that_cannot_be_listed_holds_up_no_other() -> None:
    system = System().of_two_namespaces()
    system.resources.refused["other"] = REFUSED
    owners = await system.resync.relist()
    assert owners.tasks == {o.TASK_UID}
    assert owners.agents == {o.AGENT_UID}
    assert owners.scopes == {"team"}
    assert system.namespaces.lost == system.index.unlisted == {"other"}


async def test_nothing_is_forgotten_of_a_namespace_that_cannot_be_listed() -> None:
    system = System().of_two_namespaces()
    await system.resync.relist()
    system.resources.listed.clear()
    system.resources.refused["other"] = REFUSED
    await system.resync.relist()
    assert (set(system.index.tasks), set(system.index.agents)) == ({"other-task"}, {("other", "sre")})


async def test_the_tasks_of_a_found_namespace_go_on_after_a_list_and_the_adoption_of_their_attempts() -> None:
    system = System().of_two_namespaces()
    system.resources.refused["other"] = REFUSED
    of_other = AttemptKey("other-agent", "other-task", 1)
    system.requests.listed = {("team", o.key()), ("other", of_other)}
    await system.resync.relist()
    await system.resync.adopt()
    system.tasks.keys.clear()
    await system.resync.restore()
    assert (system.tasks.keys, system.index.unlisted) == ([], {"other"}), "it is still lost"
    del system.resources.refused["other"]
    await find(system, "other")
    await system.resync.restore()
    record = system.index.tasks["other-task"]
    assert (record.attempt and record.attempt.key, system.index.unlisted) == (of_other, set())
    assert system.tasks.keys[-1] == "other-task"
    assert system.agents.keys[-1] == ("other", "sre")


async def find(system: System, name: str) -> None:
    async def answer(*_: object) -> None:
        """Refuse nothing."""

    await system.namespaces.check(name, answer)
    assert not system.namespaces.is_lost(name)


@pytest.mark.parametrize(
    ("change", "is_deleted"),
    [({"deletionTimestamp": "2026-11-27T10:00:00Z", "resourceVersion": "99"}, False), (None, True)],
)
async def test_the_deletion_of_an_agent_in_a_lost_namespace_is_found_by_its_name(
    change: dict[str, Any] | None, is_deleted: bool
) -> None:
    system = System().of_two_namespaces()
    await system.resync.relist()
    system.namespaces.report_lost("other", "403")
    if change is not None:
        body = in_other(o.agent_body(), "other-agent")
        body["metadata"] |= change
        system.resources.bodies["cognitiveagents", "other", "sre"] = body
    system.agents.keys.clear()
    await system.resync.read_lost_agents()
    assert [call for call in system.resources.recorder.calls if call[0] == "resources.get"] == [
        ("resources.get", "cognitiveagents", "other", "sre")
    ]
    record = system.index.agents.get(("other", "sre"))
    assert (record is None) is is_deleted
    if record is not None:
        assert record.agent.metadata.deletion_timestamp is not None
        assert system.agents.keys == [("other", "sre")]


async def test_an_agent_that_may_not_be_read_stays_as_it_was() -> None:
    system = System().of_two_namespaces()
    await system.resync.relist()
    system.namespaces.report_lost("other", "403")
    system.resources.refused["other"] = REFUSED
    await system.resync.read_lost_agents()
    assert ("other", "sre") in system.index.agents
