"""What belongs to nobody any more is found by two looks in a row, and nothing else is taken for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.reconcile.resync import Resync
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.watch_lag import WatchLag
from cognitive_operator.reconcile.task.cleanup import AttemptGarbage
from support.builders import operator_objects as o

OF_TASK = AttemptKey(o.AGENT_UID, o.TASK_UID, 1)
OF_NO_TASK = AttemptKey(o.AGENT_UID, "gone", 1)
OF_NO_AGENT = AttemptKey("gone", o.TASK_UID, 1)


@dataclass
class Listed:
    """A port of the broker that lists what a test put there, and records what is deleted."""

    held: Callable[[], set[Any]]
    deleted: list[str] = field(default_factory=list)

    async def list(self, *_: str) -> set[Any]:
        return set(self.held())

    async def delete(self, uid: str) -> None:
        self.deleted.append(uid)


@dataclass
class Outside:
    """The broker with what it holds, a clock that stands, and a cleaner and queues that take notes."""

    requests: set[tuple[str, AttemptKey]] = field(default_factory=set)
    claims: set[AttemptKey] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    deleted: list[str] = field(default_factory=list)
    cleaned: list[AttemptGarbage] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = self
        self.broker = SimpleNamespace(
            requests=Listed(lambda: self.requests),
            claims=Listed(lambda: self.claims),
            objects=Listed(set),
            agents=Listed(lambda: self.agents, self.deleted),
        )
        self.accounts = self.children = None

    def monotonic(self) -> float:
        return 100.0

    def add(self, item: Any) -> None:
        if isinstance(item, AttemptGarbage):
            self.cleaned.append(item)


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def sweep(outside: Outside) -> Resync:
    made = Resync(outside, Index(), outside, outside, outside, lag=WatchLag(outside))
    made.upsert_agent(o.agent_body())
    made.upsert_task(o.task_body())
    return made


@pytest.mark.parametrize("orphan", [OF_NO_TASK, OF_NO_AGENT])
async def test_a_claim_without_its_task_or_its_agent_goes_at_the_second_look(
    sweep: Resync, outside: Outside, orphan: AttemptKey
) -> None:
    outside.claims = {OF_TASK, orphan}
    await sweep.find_orphans()
    assert outside.cleaned == []
    await sweep.find_orphans()
    assert outside.cleaned == [AttemptGarbage("", orphan, is_gone=True)]


async def test_a_request_is_cleaned_up_in_its_namespace(sweep: Resync, outside: Outside) -> None:
    outside.requests, outside.claims = {("team", OF_TASK), ("team", OF_NO_AGENT)}, {OF_NO_AGENT}
    await sweep.find_orphans()
    await sweep.find_orphans()
    assert outside.cleaned == [AttemptGarbage("team", OF_NO_AGENT, is_gone=True)]


async def test_what_is_taken_up_between_two_looks_stays(sweep: Resync, outside: Outside) -> None:
    outside.claims = {OF_NO_TASK}
    await sweep.find_orphans()
    outside.claims = set()
    await sweep.find_orphans()
    outside.claims = {OF_NO_TASK}
    await sweep.find_orphans()
    assert outside.cleaned == []


async def test_an_agent_that_cannot_be_read_keeps_what_it_has(sweep: Resync, outside: Outside) -> None:
    strange, gone = o.agent_body(), "gone"
    strange["metadata"] |= {"uid": "strange", "name": "strange"}
    strange["spec"] = {"llm": "of an older version"}
    sweep.upsert_agent(strange)
    outside.agents = {o.AGENT_UID, "strange", gone}
    outside.claims = {AttemptKey("strange", o.TASK_UID, 1)}
    await sweep.find_orphans()
    await sweep.find_orphans()
    assert (outside.deleted, outside.cleaned) == ([gone], [])
