"""Creation, renewal and failures of an agent's credentials for the broker."""

import base64
from dataclasses import dataclass, field
from typing import Any

import pytest

from cognitive_operator.api.children import SECRET, ChildKind
from cognitive_operator.api.conditions import Reason
from cognitive_operator.desired.broker_secret import credentials_in, desired_broker_secret
from cognitive_operator.errors import (
    ApiUnavailableError,
    BrokerUnavailableError,
    CognitiveOperatorError,
    ForbiddenError,
    NameTakenError,
    ObjectInvalidError,
)
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.agent.nats_account import NatsAccounts
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.timing import AgentTiming
from support.builders.operator_objects import AGENT_UID, agent_body
from support.fakes.clock import FakeClock

TIMING = AgentTiming()
WALL = "1970-01-01T00:20:00.000000Z"


@dataclass
class Accounts:
    """Knows the credentials that are fresh, and makes one more each time."""

    fresh: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    fails: bool = False

    async def ensure(self, namespace: str, agent_uid: str) -> None:
        if self.fails:
            raise BrokerUnavailableError("away")
        self.told.append(f"ensure {namespace} {agent_uid}")

    async def delete(self, agent_uid: str) -> None:
        self.told.append(f"delete {agent_uid}")

    def new_credentials(self, namespace: str, agent_uid: str, now_s: float) -> str:
        made = f"{namespace} {agent_uid} {len(self.fresh)} at {now_s:.0f}"
        self.fresh.add(made)
        return made

    def are_fresh(self, namespace: str, agent_uid: str, credentials: str, now_s: float) -> bool:
        return credentials in self.fresh


@dataclass
class Children:
    """Holds one Secret."""

    live: Body | None = None
    reads: int = 0
    applied: list[Body] = field(default_factory=list)
    error: CognitiveOperatorError | None = None

    async def get(self, kind: ChildKind, namespace: str, name: str) -> Body | None:
        assert kind == SECRET
        self.reads += 1
        return self.live

    async def apply(self, manifest: Body) -> Body:
        if self.error is not None:
            raise self.error
        self.applied.append(manifest)
        self.live = manifest
        return manifest


class Desk:
    """One agent and its keeper."""

    def __init__(self, accounts: Accounts | None) -> None:
        self.accounts, self.children, self.clock, self.index = accounts, Children(), FakeClock(1000.0, WALL), Index()
        self.index.upsert_agent(agent_body())
        children: Any = self.children
        self.keeper = NatsAccounts(self.index, accounts, children, self.clock, TIMING)

    @property
    def record(self) -> AgentRecord:
        return self.index.agents["team", "sre"]

    async def later(self) -> None:
        self.clock.advance(TIMING.secret_every_s)
        assert await self.keeper.ensure_secret(self.record) is None


@pytest.fixture
def desk() -> Desk:
    return Desk(Accounts())


async def test_the_secret_is_made_once_and_looked_at_now_and_then(desk: Desk) -> None:
    for _ in range(3):
        assert await desk.keeper.ensure_secret(desk.record) is None
    (secret,) = desk.children.applied
    assert secret["metadata"]["name"].endswith("-nats")
    assert secret["metadata"]["ownerReferences"][0]["uid"] == AGENT_UID
    assert base64.b64decode(secret["data"]["nats.creds"]).decode().endswith("at 1200")
    assert desk.children.reads == 1
    await desk.later()
    assert (desk.children.reads, len(desk.children.applied)) == (2, 1)


async def test_credentials_that_are_due_are_replaced(desk: Desk) -> None:
    await desk.keeper.ensure_secret(desk.record)
    assert desk.accounts is not None
    desk.accounts.fresh = {"the next one is another"}
    await desk.later()
    first, second = map(credentials_in, desk.children.applied)
    assert first != second


@pytest.mark.parametrize("data", [None, {}, {"nats.creds": "no base64"}, {"nats.creds": "/w=="}])
async def test_what_cannot_be_read_is_replaced(desk: Desk, data: dict[str, str] | None) -> None:
    secret = desired_broker_secret(desk.record.agent, "x")
    desk.children.live = {**secret, "data": data}
    assert await desk.keeper.ensure_secret(desk.record) is None
    assert len(desk.children.applied) == 1


async def test_a_secret_of_anothers_is_not_believed_even_with_good_credentials(desk: Desk) -> None:
    await desk.keeper.ensure_secret(desk.record)
    assert desk.children.live is not None
    desk.children.live["metadata"]["ownerReferences"] = []
    desk.children.error = NameTakenError("Secret team/x exists and belongs to nobody")
    desk.clock.advance(TIMING.secret_every_s)
    found = await desk.keeper.ensure_secret(desk.record)
    assert found is not None
    assert (found.status, found.reason) == ("False", Reason.NAME_TAKEN)


@pytest.mark.parametrize("error", [ForbiddenError("403 secrets is forbidden"), ObjectInvalidError("422")])
async def test_what_has_to_be_repaired_is_said(desk: Desk, error: CognitiveOperatorError) -> None:
    desk.children.error = error
    found = await desk.keeper.ensure_secret(desk.record)
    assert found is not None
    assert (found.status, found.reason) == ("False", Reason.CREDENTIALS_NOT_KEPT)
    assert str(error) in found.message
    assert "Secret " in found.message
    desk.children.error = None
    assert await desk.keeper.ensure_secret(desk.record) is None
    assert len(desk.children.applied) == 1


async def test_an_api_server_that_is_away_is_asked_again_and_stops_no_agent(desk: Desk) -> None:
    desk.children.error = ApiUnavailableError("away")
    assert await desk.keeper.ensure_secret(desk.record) is None
    desk.children.error = None
    assert await desk.keeper.ensure_secret(desk.record) is None
    assert len(desk.children.applied) == 1


async def test_a_broker_that_knows_no_agents_apart_needs_nothing() -> None:
    desk = Desk(None)
    await desk.keeper.ensure(desk.record)
    await desk.keeper.delete(AGENT_UID)
    assert await desk.keeper.ensure_secret(desk.record) is None
    assert desk.children.reads == 0


async def test_accounts_come_and_go_with_their_agent(desk: Desk) -> None:
    assert desk.accounts is not None
    await desk.keeper.ensure(desk.record)
    await desk.keeper.delete(AGENT_UID)
    namespace = desk.record.name[0]
    assert desk.accounts.told == [f"ensure {namespace} {AGENT_UID}", f"delete {AGENT_UID}"]
    desk.accounts.fails = True
    with pytest.raises(BrokerUnavailableError):
        await desk.keeper.ensure(desk.record)


async def test_an_executor_that_may_still_run_has_time_to_end_itself(desk: Desk) -> None:
    assert desk.accounts is not None
    desk.keeper.delete_later(AGENT_UID)
    desk.clock.advance(TIMING.delete_account_after_s - 1)
    await desk.keeper.delete_due()
    assert desk.accounts.told == []
    desk.clock.advance(1)
    for _ in range(2):
        await desk.keeper.delete_due()
    assert desk.accounts.told == [f"delete {AGENT_UID}"]
