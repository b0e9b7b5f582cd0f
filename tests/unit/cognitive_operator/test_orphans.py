"""What belongs to nobody any more is found by two looks in a row, and nothing else is taken for it."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.reconcile.cleaner import Leftover
from cognitive_operator.reconcile.index import Index
from cognitive_operator.reconcile.sweep import Sweep
from cognitive_operator.reconcile.watch_lag import WatchLag
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock

OF_TASK = AttemptKey(o.AGENT_UID, o.TASK_UID, 1)
OF_NO_TASK = AttemptKey(o.AGENT_UID, "gone", 1)
OF_NO_AGENT = AttemptKey("gone", o.TASK_UID, 1)


@dataclass
class Outside:
    """The broker with what it holds, a clock, and a cleaner and queues that record what is added."""

    requests: set[tuple[str, AttemptKey]] = field(default_factory=set)
    claims: set[AttemptKey] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    deleted: list[str] = field(default_factory=list)
    cleaned: list[Leftover] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.broker = self
        self.clock = FakeClock()
        self.accounts = None

    async def list_requests(self) -> set[tuple[str, AttemptKey]]:
        return set(self.requests)

    async def list_claims(self) -> set[AttemptKey]:
        return set(self.claims)

    async def list_objects(self, _: str) -> set[AttemptKey]:
        return set()

    async def list_agents(self) -> set[str]:
        return set(self.agents)

    async def delete_agent(self, uid: str) -> None:
        self.deleted.append(uid)

    def add(self, item: Any) -> None:
        if isinstance(item, Leftover):
            self.cleaned.append(item)


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def sweep(outside: Outside) -> Sweep:
    stands_in: Any = outside
    made = Sweep(stands_in, Index(), stands_in, stands_in, stands_in, lag=WatchLag(outside.clock))
    made.take_agent(o.agent_body())
    made.take_task(o.task_body())
    return made


@pytest.mark.parametrize("orphan", [OF_NO_TASK, OF_NO_AGENT])
async def test_a_claim_without_its_task_or_its_agent_goes_at_the_second_look(
    sweep: Sweep, outside: Outside, orphan: AttemptKey
) -> None:
    outside.claims = {OF_TASK, orphan}
    await sweep.find_orphans()
    assert outside.cleaned == []
    await sweep.find_orphans()
    assert outside.cleaned == [Leftover("", orphan, is_gone=True)]


async def test_a_request_is_cleaned_up_in_its_namespace(sweep: Sweep, outside: Outside) -> None:
    outside.requests, outside.claims = {("team", OF_TASK), ("team", OF_NO_AGENT)}, {OF_NO_AGENT}
    await sweep.find_orphans()
    await sweep.find_orphans()
    assert outside.cleaned == [Leftover("team", OF_NO_AGENT, is_gone=True)]


async def test_what_is_taken_up_between_two_looks_stays(sweep: Sweep, outside: Outside) -> None:
    outside.claims = {OF_NO_TASK}
    await sweep.find_orphans()
    outside.claims = set()
    await sweep.find_orphans()
    outside.claims = {OF_NO_TASK}
    await sweep.find_orphans()
    assert outside.cleaned == []


async def test_an_agent_that_cannot_be_read_keeps_what_it_has(sweep: Sweep, outside: Outside) -> None:
    strange, gone = o.agent_body(), "gone"
    strange["metadata"] |= {"uid": "strange", "name": "strange"}
    strange["spec"] = {"llm": "of an older version"}
    sweep.take_agent(strange)
    outside.agents = {o.AGENT_UID, "strange", gone}
    outside.claims = {AttemptKey("strange", o.TASK_UID, 1)}
    await sweep.find_orphans()
    await sweep.find_orphans()
    assert (outside.deleted, outside.cleaned) == ([gone], [])
