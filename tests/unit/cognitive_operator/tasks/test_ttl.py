"""Deletion of finished tasks after their time to live, by the clock of the API server alone."""

import tracemalloc
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from cognitive_operator.api.task_body import started_attempts, task_end
from cognitive_operator.errors import CognitiveOperatorError, ConflictError, ForbiddenError, ObjectNotFoundError
from cognitive_operator.ports.kube import Identity
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.timing import TtlTiming
from cognitive_operator.reconcile.task.ttl import MAX_DELETES_PER_CHECK, TtlAfterFinished
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock

ENDED = "2026-11-21T02:00:03Z"
ENDED_S = 1795226403.0


def ended_body(number: int = 1, ttl: int | None = None, **metadata: Any) -> dict[str, Any]:
    """Return a finished task whose status the API server took at ENDED; a worker's wrong clock said otherwise."""
    attempt = {"number": 1, "agentUid": o.AGENT_UID, "mode": "Job", "outcome": "Succeeded", "sequence": number}
    body = o.task_body({"phase": "Succeeded", "attempts": [attempt], "finishedAt": "2026-11-21T01:00:03.500000Z"})
    if ttl is not None:
        body["spec"]["ttlSecondsAfterFinished"] = ttl
    fields = [
        {"manager": "kubectl", "time": "2026-11-21T02:30:00Z"},
        {"manager": "cognitive-operator", "subresource": "status", "time": ENDED},
    ]
    names = {"name": f"why-{number}", "uid": f"uid-{number}", "managedFields": fields}
    return body | {"metadata": body["metadata"] | names | metadata}


@dataclass
class Kube:
    """Deletes what it is told, or raises."""

    time_s: float | None = ENDED_S
    error: CognitiveOperatorError | None = None
    deleted: list[tuple[str, Identity]] = field(default_factory=list)

    def server_time(self) -> float | None:
        return self.time_s

    async def delete(self, plural: str, namespace: str, name: str, identity: Identity) -> None:
        self.deleted.append((f"{plural}/{namespace}/{name}", identity))
        if self.error is not None:
            raise self.error


@dataclass
class Metrics:
    counts: Counter[str] = field(default_factory=Counter)

    def count(self, name: str, **_: str) -> None:
        self.counts[name] += 1


class Desk:
    """Finished tasks, and the ports of their deletion."""

    def __init__(self, *bodies: dict[str, Any], agent: dict[str, Any] | None = None) -> None:
        self.kube, self.clock, self.metrics, self.index = Kube(), FakeClock(), Metrics(), Index()
        self.lost: list[str] = []
        if agent is not None:
            self.index.upsert_agent(agent)
        for body in bodies:
            self.index.upsert_task(body, 0.0)
        kube: Any = self.kube
        clocks = Clocks(self.clock, kube)
        metrics: Any = self.metrics
        self.ttl = TtlAfterFinished(
            kube, clocks, self.index, self.forget, metrics, default_ttl_s=100, timing=TtlTiming()
        )

    def forget(self, uid: str, reason: str) -> None:
        assert "404" in reason
        self.lost.append(uid)

    async def after(self, seconds: float) -> list[str]:
        """Return the names of what is deleted when so much time has passed since the end, by the API server."""
        self.kube.time_s = ENDED_S + seconds
        self.kube.deleted.clear()
        await self.ttl.delete_due()
        return [name.rpartition("/")[2] for name, _ in self.kube.deleted]


def agent_with(ttl: int | None, version: str = "10") -> dict[str, Any]:
    body = o.agent_body(taskDefaults={"ttlSecondsAfterFinished": ttl} if ttl is not None else {})
    body["metadata"]["resourceVersion"] = version
    return body


@pytest.mark.parametrize(
    ("own", "agent", "lives_s"),
    [
        (7, agent_with(30), 7),
        (0, agent_with(30), 0),
        (None, agent_with(30), 30),
        (None, agent_with(0), 0),
        (None, agent_with(None), 100),
        (None, None, 100),
        (7, None, 7),
    ],
)
async def test_the_task_says_how_long_it_stays_else_its_agent_else_the_operator(
    own: int | None, agent: dict[str, Any] | None, lives_s: int
) -> None:
    desk = Desk(ended_body(ttl=own), agent=agent)
    assert await desk.after(lives_s + 0.9) == []
    assert await desk.after(lives_s + 1) == ["why-1"]
    assert desk.metrics.counts == {"tasks_expired": 1}


async def test_a_deletion_names_the_object_and_its_state() -> None:
    desk = Desk(ended_body(ttl=1))
    await desk.after(10)
    assert desk.kube.deleted == [("cognitivetasks/team/why-1", Identity("uid-1", "20"))]


async def test_the_workers_clock_and_the_operators_say_nothing() -> None:
    desk = Desk(ended_body(ttl=1800))  # its finishedAt is an hour early
    desk.clock.advance(3600)
    assert await desk.after(1800) == []
    assert await desk.after(1801) == ["why-1"]


async def test_nothing_is_deleted_before_the_api_server_told_the_time() -> None:
    desk = Desk(ended_body(ttl=0))
    desk.kube.time_s = None
    await desk.ttl.delete_due()
    assert desk.kube.deleted == []


async def test_a_task_that_waits_or_runs_is_never_due() -> None:
    waiting = ended_body(1, ttl=0) | {"status": {"phase": "Queued"}}
    running = ended_body(2, ttl=0) | {"status": {"phase": "Running"}}
    desk = Desk(waiting, running)
    desk.clock.monotonic_s = 1e6
    assert await desk.after(1e6) == []


async def test_another_time_to_live_counts_as_soon_as_it_is_known() -> None:
    desk = Desk(ended_body(ttl=50))
    assert await desk.after(10) == []
    desk.index.upsert_task(ended_body(ttl=500, resourceVersion="21"), 0.0)
    assert await desk.after(60) == []
    desk.index.upsert_task(ended_body(ttl=5, resourceVersion="22"), 0.0)
    assert await desk.after(61) == ["why-1"]


async def test_another_default_of_the_agent_counts_within_a_minute() -> None:
    desk = Desk(ended_body(), agent=agent_with(1000))
    assert await desk.after(20) == []
    desk.index.upsert_agent(agent_with(5, "11"))
    desk.clock.monotonic_s += 60
    assert await desk.after(21) == ["why-1"]


async def test_deletions_are_so_many_a_second_and_each_task_is_deleted_once() -> None:
    desk = Desk(*(ended_body(n, ttl=0) for n in range(MAX_DELETES_PER_CHECK + 3)))
    first = await desk.after(9)
    second = await desk.after(10)
    assert (len(first), len(second)) == (MAX_DELETES_PER_CHECK, 3)
    assert len({*first, *second}) == MAX_DELETES_PER_CHECK + 3


@pytest.mark.parametrize("error", [ConflictError("changed"), ForbiddenError("no right")])
async def test_what_could_not_be_deleted_is_tried_again_later(error: CognitiveOperatorError) -> None:
    desk = Desk(ended_body(ttl=0))
    desk.kube.error = error
    assert await desk.after(5) == ["why-1"]
    assert await desk.after(6) == []
    desk.kube.error = None
    assert await desk.after(36) == ["why-1"]
    assert desk.lost == []


async def test_nothing_is_deleted_in_a_namespace_that_cannot_be_listed() -> None:
    desk = Desk(ended_body(ttl=0))
    (record,) = desk.index.tasks.values()
    desk.index.unlisted.add(record.name[0])
    assert await desk.after(5) == []
    desk.index.unlisted.clear()
    assert await desk.after(36) == ["why-1"]


async def test_a_task_that_is_gone_already_is_forgotten() -> None:
    desk = Desk(ended_body(ttl=0))
    desk.kube.error = ObjectNotFoundError("gone")
    await desk.after(5)
    assert desk.lost == ["uid-1"]


def test_a_task_that_is_being_deleted_has_no_end_to_wait_for() -> None:
    assert task_end(ended_body(deletionTimestamp=ENDED)) is None


def test_without_managed_fields_the_status_says_when_it_ended() -> None:
    end = task_end(ended_body(ttl=3, managedFields=None))
    assert end is not None
    assert (end.finished_s, end.ttl_s) == (ENDED_S - 3600 + 0.5 + 1, 3)


def test_what_an_attempt_left_is_known_after_its_end() -> None:
    (tried,) = started_attempts(ended_body())
    assert (tried.key.agent_uid, tried.key.task_uid, tried.key.number) == (o.AGENT_UID, "uid-1", 1)
    assert tried.is_job


async def test_a_finished_task_costs_little_memory() -> None:
    index = Index()
    tracemalloc.start()
    for number in range(2000):
        index.upsert_task(ended_body(number, input={"error_message": "x" * 10_000}), 0.0)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / 2000 < 2500, "bytes for each"


async def test_a_task_whose_result_is_waited_for_stays() -> None:
    desk = Desk(ended_body(), agent=agent_with(10))
    waiting = o.task_body({"phase": "Pending"}, dependsOn=[{"name": "why-1"}])
    desk.index.upsert_task(waiting, 0.0)
    assert await desk.after(100) == []
    desk.index.remove_task(o.TASK_UID)
    desk.clock.monotonic_s += 60.0
    assert await desk.after(100) == ["why-1"]
