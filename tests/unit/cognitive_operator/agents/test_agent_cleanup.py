"""The deletion of what an agent has on the broker is logged with its reason."""

import logging
from typing import Any

import pytest

from cognitive_operator.errors import BrokerUnavailableError
from cognitive_operator.reconcile.agent.cleanup import AgentCleanup
from cognitive_operator.reconcile.agent.nats_account import NatsAccounts
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.timing import AgentTiming
from support.builders import operator_objects as o
from support.fakes.broker import FakeBroker
from support.fakes.clock import FakeClock
from support.fakes.ray import FakeRay


class Accounts:
    """Accounts on the broker."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    async def delete(self, agent_uid: str) -> None:
        self.deleted.append(agent_uid)


@pytest.mark.parametrize("is_away", [False, True])
async def test_what_an_agent_has_is_deleted_and_logged(is_away: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    index, broker, accounts, nothing = Index(), FakeBroker(), Accounts(), None
    record = index.upsert_agent(o.agent_body())
    assert record is not None
    if is_away:
        broker.recorder.effects["agents.delete"] = BrokerUnavailableError("away")
    port: Any = accounts
    unused: Any = nothing
    kept = NatsAccounts(index, port, unused, FakeClock(), AgentTiming())
    cleanup = AgentCleanup(FakeRay(), unused, broker.agents, kept, unused)
    problem = await cleanup.clean_broker(record, is_ray_clean=True)
    lines = [(vars(line)["object"], vars(line)["reason"]) for line in caplog.records]
    if is_away:
        assert (problem is not None, lines, accounts.deleted) == (True, [], [])
        return
    assert (problem, accounts.deleted) == (None, [o.AGENT_UID])
    assert lines == [
        (
            f"consumer, object bucket, requests, claims and leases of agent {o.AGENT_UID}",
            "CognitiveAgent team/sre is being deleted (deletionTimestamp is set)",
        ),
        (f"account of agent {o.AGENT_UID}", "the resources of its agent were deleted before"),
    ]
