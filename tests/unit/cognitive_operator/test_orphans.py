"""Orphans are removed when two searches have found them and a complete list after these lacks their owner."""

import logging
from dataclasses import dataclass, field
from typing import Any

import pytest

from cognitive_operator.api.names import AGENT_PLURAL, TASK_PLURAL, AttemptKey
from cognitive_operator.errors import ApiUnavailableError, ForbiddenError
from cognitive_operator.ports.broker import AgentHome
from cognitive_operator.reconcile.orphans import PROOF, Orphans, OwnerSources
from cognitive_operator.reconcile.resync import Resync, ResyncSources
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces
from cognitive_operator.reconcile.state.timing import Timing
from cognitive_operator.reconcile.state.watch import WatchLag
from support.builders import operator_objects as o
from support.fakes.broker import FakeBroker
from support.fakes.clock import FakeClock
from support.fakes.kube import FakeKube

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
    kube: FakeKube
    namespaces: WatchedNamespaces


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def system(outside: Outside) -> System:
    index, discard, clock = Index(), outside.cleaned.append, FakeClock()
    queue: Any = outside
    kube = FakeKube(outside.broker.recorder)
    intake = Intake(index, clock, queue, queue, discard)
    intake.upsert_agent(o.agent_body())
    intake.upsert_task(o.task_body())
    namespaces = WatchedNamespaces(("lost", "team"), lambda *_: None)
    kube.resources.listed = {AGENT_PLURAL: [o.agent_body()], TASK_PLURAL: [o.task_body()]}
    sources = ResyncSources(kube.resources, outside.broker.requests, WatchLag(clock), namespaces)
    resync = Resync(sources, index, intake, clock, Timing())
    owners = OwnerSources(index, intake, resync.relist)
    return System(intake, Orphans(outside.broker, outside, owners, discard), kube, namespaces)


def named(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object of another name, which is its UID too."""
    return {**body, "metadata": {**body["metadata"], "name": name, "uid": name}}


@pytest.mark.parametrize(
    ("orphan", "namespace"),
    [pytest.param(OF_NO_TASK, "team", id="the agent tells where a worker can be stopped"), (OF_NO_AGENT, "")],
)
async def test_a_claim_without_its_task_or_its_agent_goes_at_the_second_look(
    system: System, outside: Outside, orphan: AttemptKey, namespace: str
) -> None:
    outside.broker.claims.listed = {OF_TASK, orphan}
    await system.orphans.remove()
    assert outside.cleaned == []
    await system.orphans.remove()
    assert outside.cleaned == [AttemptGarbage(namespace, orphan, is_gone=True)]


async def test_a_claim_that_a_former_process_purged_is_cleaned_up_only_with_a_request_or_an_object(
    system: System, outside: Outside
) -> None:
    with_request, with_object = OF_NO_TASK._replace(number=2), OF_NO_TASK._replace(number=3)
    outside.broker.claims.listed = {OF_TASK, OF_NO_TASK, with_request, with_object}
    outside.broker.claims.purged = {OF_NO_TASK, with_request, with_object}
    outside.broker.requests.listed = {("team", with_request)}
    outside.broker.objects.listed = {with_object}
    await system.orphans.remove()
    await system.orphans.remove()
    assert {each.key for each in outside.cleaned} == {with_request, with_object}
    assert outside.broker.recorder.of("claims.find_purged") == [("claims.find_purged", OF_NO_TASK)] * 2


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
    system.kube.resources.listed[AGENT_PLURAL] = [o.agent_body(), strange]
    outside.broker.agents.uids = {o.AGENT_UID, "strange", gone}
    outside.broker.claims.listed = {AttemptKey("strange", o.TASK_UID, 1)}
    await system.orphans.remove()
    await system.orphans.remove()
    assert (outside.broker.recorder.of("agents.delete"), outside.cleaned) == ([("agents.delete", gone)], [])
    assert outside.expelled == ["due", gone, "due"]


async def test_owners_that_only_a_list_knows_keep_what_they_have(system: System, outside: Outside) -> None:
    """The watches of this operator are late: another operator has started the tasks of a new agent."""
    ours, theirs = AttemptKey(o.AGENT_UID, "new-task", 1), AttemptKey("new-agent", "new-task", 1)
    outside.broker.agents.uids = {o.AGENT_UID, "new-agent"}
    outside.broker.requests.listed = {("team", theirs)}
    outside.broker.claims.listed = {ours, theirs}
    outside.broker.objects.listed = {ours}
    agent, task = named(o.agent_body(), "new-agent"), named(o.task_body(), "new-task")
    system.kube.resources.listed = {AGENT_PLURAL: [o.agent_body(), agent], TASK_PLURAL: [o.task_body(), task]}
    for _ in range(4):
        await system.orphans.remove()
    assert (outside.broker.recorder.of("agents.delete"), outside.cleaned) == ([], [])


async def test_the_list_begins_after_the_second_search(system: System, outside: Outside) -> None:
    outside.broker.claims.listed = {OF_NO_TASK}
    await system.orphans.remove()
    assert "resources.list" not in outside.broker.recorder.names
    outside.broker.recorder.calls.clear()
    await system.orphans.remove()
    names = outside.broker.recorder.names
    assert names.index("resources.list") > names.index("objects.list")


@pytest.mark.parametrize("failing", [AGENT_PLURAL, TASK_PLURAL])
async def test_without_a_complete_list_nothing_is_removed(system: System, outside: Outside, failing: str) -> None:
    outside.broker.agents.uids = {o.AGENT_UID, "gone"}
    outside.broker.claims.listed = {OF_NO_TASK}
    recorder = outside.broker.recorder

    def fail() -> None:
        if recorder.calls[-1] == ("resources.list", failing):
            raise ApiUnavailableError("no answer")

    recorder.effects["resources.list"] = fail
    await system.orphans.remove()
    for _ in range(3):
        with pytest.raises(ApiUnavailableError):
            await system.orphans.remove()
    assert (recorder.of("agents.delete"), outside.cleaned) == ([], [])
    del recorder.effects["resources.list"]
    await system.orphans.remove()
    assert recorder.of("agents.delete") == [("agents.delete", "gone")]
    assert outside.cleaned == [AttemptGarbage("team", OF_NO_TASK, is_gone=True)]


async def test_what_another_namespace_or_installation_has_stays(system: System, outside: Outside) -> None:
    """The operator lists one namespace: an agent of another one, or of an unknown one, may exist."""
    system.kube.resources.namespaces = frozenset({"team"})
    outside.broker.agents.uids = {"elsewhere", "unknown", "foreign", "gone"}
    outside.broker.agents.homes = {
        "elsewhere": AgentHome("other"),
        "foreign": AgentHome("team", is_own=False),
        "gone": AgentHome("team"),
    }
    elsewhere, unknown = AttemptKey("elsewhere", "t", 1), AttemptKey("unknown", "t", 1)
    outside.broker.requests.listed = {("other", elsewhere)}
    outside.broker.claims.listed = {elsewhere, unknown, OF_NO_TASK}
    await system.orphans.remove()
    await system.orphans.remove()
    assert outside.broker.recorder.of("agents.delete") == [("agents.delete", "gone")]
    assert outside.cleaned == [AttemptGarbage("team", OF_NO_TASK, is_gone=True)]


@pytest.mark.parametrize("known", [True, False])
async def test_a_namespace_that_could_not_be_listed_proves_no_absence(
    system: System, outside: Outside, known: bool
) -> None:
    """The others are listed, and what belongs to them is removed."""
    system.kube.resources.namespaces = frozenset({"team", "lost"})
    if known:
        system.namespaces.report_lost("lost", "403")
    else:
        system.kube.resources.refused["lost"] = ForbiddenError("cannot list cognitiveagents in namespace lost")
    outside.broker.agents.uids = {"of-lost", "gone"}
    outside.broker.agents.homes = {"of-lost": AgentHome("lost"), "gone": AgentHome("team")}
    of_lost = AttemptKey("of-lost", "t", 1)
    outside.broker.requests.listed = {("lost", of_lost), ("team", OF_NO_TASK)}
    for _ in range(3):
        await system.orphans.remove()
    assert outside.broker.recorder.of("agents.delete") == [("agents.delete", "gone")]
    assert outside.cleaned == [AttemptGarbage("team", OF_NO_TASK, is_gone=True)]
    assert system.namespaces.lost == {"lost"}


async def test_the_log_of_a_removal_names_the_object_and_the_proof(
    system: System, outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    outside.broker.agents.uids = {"gone"}
    outside.broker.claims.listed = {OF_NO_TASK, OF_NO_AGENT}
    await system.orphans.remove()
    await system.orphans.remove()
    (line,) = caplog.records
    assert (line.message, "of agent gone" in vars(line)["object"]) == ("deleted from the broker", True)
    assert vars(line)["reason"] == f"CognitiveAgent gone: {PROOF}"
    assert {(each.key, each.reason, each.stop_reason) for each in outside.cleaned} == {
        (OF_NO_TASK, f"CognitiveTask gone: {PROOF}", "Orphaned"),
        (OF_NO_AGENT, f"CognitiveAgent gone: {PROOF}", "Orphaned"),
    }
