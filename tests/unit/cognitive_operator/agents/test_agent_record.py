"""The record of an agent: who writes it, and what a newer version of the agent keeps."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.plan.agent.ray.ray_cluster import ObservedRay
from cognitive_operator.ports.ray import RayTarget
from cognitive_operator.reconcile.state.agent_record import NEVER_S, AgentRecord
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.uncounted_usage import PendingUsage, UncountedUsage
from support.builders.operator_objects import agent_body

READY = Condition.true(AgentCondition.MODEL_READY, Reason.AVAILABLE, "It lists 1 model.")
RAY = ObservedRay(READY.with_type(AgentCondition.RAY_READY), RayTarget("http://ray:8265"), life="pod.0")
SPENT = PendingUsage(0.5, 300, "2026-11-21")


def stored(index: Index, version: int = 1, uid: str | None = None, **spec: Any) -> AgentRecord:
    body = agent_body(**spec)
    body["metadata"] |= {"resourceVersion": str(version)} | ({"uid": uid} if uid else {})
    record = index.upsert_agent(body)
    assert record is not None
    return record


def test_a_record_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        stored(Index()).ray_at_s = 1.0  # type: ignore[misc]


def test_two_updates_by_the_same_old_record_both_last() -> None:
    index = Index()
    old = stored(index)
    index.update_agent(old, ray=RAY)
    changed = index.update_agent(old, model=READY)
    assert (changed.ray, changed.model) == (RAY, READY)
    assert index.latest(old) is changed is index.agents[old.name]


@pytest.mark.parametrize("is_recreated", [True, False])
def test_an_update_of_an_agent_that_is_gone_is_not_stored(is_recreated: bool) -> None:
    index = Index()
    old = stored(index)
    if is_recreated:
        stored(index, 2, "another-uid")
    else:
        index.remove_agent(old.name, old.uid)
    known = dict(index.agents)
    assert index.update_agent(old, model=READY).model == READY
    assert not index.block(old, None).blocker
    assert (index.agents, index.queue_of(old.name).dispatch.is_blocked) == (known, True)
    assert index.latest(old) is old


def test_a_changed_spec_is_observed_again_at_once() -> None:
    index = Index()
    index.update_agent(stored(index), ray=RAY, model=READY, ray_at_s=5.0, model_at_s=5.0, is_retired=True)
    same = stored(index, 2)
    assert (same.ray, same.model, same.ray_at_s, same.model_at_s) == (RAY, READY, 5.0, 5.0)
    changed = stored(index, 3, suspend=True)
    assert (changed.ray, changed.ray_at_s, changed.model_at_s) == (RAY, NEVER_S, NEVER_S)
    moved = stored(index, 4, suspend=True, ray={"clusterRef": {"name": "shared"}})
    assert (moved.ray.target, moved.ray.is_away, moved.is_retired) == (None, False, False)


def test_usage_is_pending_until_the_status_counts_it() -> None:
    index = Index()
    index.update_agent(stored(index), uncounted=UncountedUsage().plus(7, SPENT).plus(8, SPENT))
    body = agent_body() | {"status": {"accounting": {"stream": "s", "sequence": 7}}}
    body["metadata"]["resourceVersion"] = "2"
    record = index.upsert_agent(body)
    assert record is not None
    assert record.uncounted == UncountedUsage().plus(8, SPENT)
