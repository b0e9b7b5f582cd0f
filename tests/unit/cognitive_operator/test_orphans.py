"""Orphans are removed when two looks in a row have found them, and nothing else is."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.reconcile.orphans import Orphans
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from support.builders import operator_objects as o
from support.fakes.broker import FakeBroker
from support.fakes.clock import FakeClock

OF_TASK = AttemptKey(o.AGENT_UID, o.TASK_UID, 1)
OF_NO_TASK = AttemptKey(o.AGENT_UID, "gone", 1)
OF_NO_AGENT = AttemptKey("gone", o.TASK_UID, 1)


@dataclass
class Outside:
    """The broker, and recorders of what is cleaned up and of the accounts that are deleted."""

    broker: FakeBroker = field(default_factory=FakeBroker)
    cleaned: list[AttemptGarbage] = field(default_factory=list)
    expelled: list[str] = field(default_factory=list)

    def add(self, _: Any) -> None:
        """Enqueue a task or an agent."""

    def delete_later(self, uid: str) -> None:
        self.expelled.append(uid)

    async def delete_due(self) -> None:
        self.expelled.append("due")


@dataclass
class System:
    """An operator that knows one agent and its task."""

    intake: Intake
    orphans: Orphans


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def system(outside: Outside) -> System:
    index, discard = Index(), outside.cleaned.append
    queue: Any = outside
    intake = Intake(index, FakeClock(), queue, queue, discard)
    intake.upsert_agent(o.agent_body())
    intake.upsert_task(o.task_body())
    return System(intake, Orphans(outside.broker, outside, index, intake, discard))


@pytest.mark.parametrize("orphan", [OF_NO_TASK, OF_NO_AGENT])
async def test_a_claim_without_its_task_or_its_agent_goes_at_the_second_look(
    system: System, outside: Outside, orphan: AttemptKey
) -> None:
    outside.broker.claims.listed = {OF_TASK, orphan}
    await system.orphans.remove()
    assert outside.cleaned == []
    await system.orphans.remove()
    assert outside.cleaned == [AttemptGarbage("", orphan, is_gone=True)]


async def test_a_request_is_cleaned_up_in_its_namespace(system: System, outside: Outside) -> None:
    outside.broker.requests.listed = {("team", OF_TASK), ("team", OF_NO_AGENT)}
    outside.broker.claims.listed = {OF_NO_AGENT}
    await system.orphans.remove()
    await system.orphans.remove()
    assert outside.cleaned == [AttemptGarbage("team", OF_NO_AGENT, is_gone=True)]


async def test_what_is_taken_up_between_two_looks_stays(system: System, outside: Outside) -> None:
    outside.broker.claims.listed = {OF_NO_TASK}
    await system.orphans.remove()
    outside.broker.claims.listed = set()
    await system.orphans.remove()
    outside.broker.claims.listed = {OF_NO_TASK}
    await system.orphans.remove()
    assert outside.cleaned == []


async def test_an_agent_that_cannot_be_read_keeps_what_it_has(system: System, outside: Outside) -> None:
    strange, gone = o.agent_body(), "gone"
    strange["metadata"] |= {"uid": "strange", "name": "strange"}
    strange["spec"] = {"llm": "of an older version"}
    system.intake.upsert_agent(strange)
    outside.broker.agents.uids = {o.AGENT_UID, "strange", gone}
    outside.broker.claims.listed = {AttemptKey("strange", o.TASK_UID, 1)}
    await system.orphans.remove()
    await system.orphans.remove()
    assert (outside.broker.recorder.of("agents.delete"), outside.cleaned) == ([("agents.delete", gone)], [])
    assert outside.expelled == ["due", gone, "due"]
