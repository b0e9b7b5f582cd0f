"""Ownership of a claim, also after the broker's answers were lost."""

import asyncio
import json
from collections import deque
from typing import Any, cast

import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import BadRequestError

from cognitive_runtime.adapters.nats.claims import ClaimTiming, NatsClaims
from cognitive_runtime.adapters.nats.connection import BrokerConnection
from cognitive_runtime.adapters.worker.ports import WorkerIdentity
from cognitive_runtime.domain import LeaseLost
from support.builders.outcomes import failure_result

IDENTITY = WorkerIdentity("default", "a1", "w0", "job-1", "Embedded")
EXISTS = BadRequestError(code=400, err_code=10071, description="wrong last sequence: 1")


class Broker:
    """Answers publishes by a list: ``stored``, or an error before (``refused``) or after (``lost``) storing."""

    def __init__(self, *answers: str) -> None:
        self.answers = deque(answers)
        self.value: bytes | None = None
        self.sequence = 0

    @property
    def claim(self) -> dict[str, Any]:
        """The stored claim."""
        assert self.value is not None
        found: dict[str, Any] = json.loads(self.value)
        return found

    def jetstream(self) -> "Broker":
        return self

    def client(self) -> "Broker":
        return self

    async def publish(self, subject: str, payload: bytes, *, timeout: float, headers: dict[str, str] | None) -> None:  # noqa: ASYNC109 - the library's own signature
        answer = self.answers.popleft()
        if answer == "refused":
            raise nats.errors.TimeoutError
        current = self.sequence or int(self.value is not None)
        if int((headers or {})["Nats-Expected-Last-Subject-Sequence"]) != current:
            raise EXISTS
        self.value, self.sequence = payload, self.sequence + 1
        if answer == "lost":
            raise nats.errors.TimeoutError

    async def request(self, subject: str, payload: bytes, *, timeout: float) -> Msg:  # noqa: ASYNC109
        if self.value is None:
            return Msg(_client=cast(Client, None), headers={"Status": "404"})
        return Msg(_client=cast(Client, None), data=self.value, headers={"Nats-Sequence": str(self.sequence)})


class Clock:
    def now(self) -> str:
        return "2026-11-21T02:00:00.130000Z"

    def monotonic(self) -> float:
        return 0.0


def claims_on(broker: Broker) -> NatsClaims:
    return NatsClaims(cast(BrokerConnection, broker), IDENTITY, Clock(), ClaimTiming(retry_s=0))


async def test_the_first_claim_is_ones_own() -> None:
    broker = Broker("stored")
    assert await claims_on(broker).create("t1.1")
    claim = broker.claim
    assert (claim["worker"], claim["submission_id"], claim["state"]) == ("w0", "job-1", "running")


async def test_a_claim_whose_answer_was_lost_is_ones_own_all_the_same() -> None:
    assert await claims_on(Broker("lost", "stored")).create("t1.1")


async def test_a_claim_that_was_not_stored_is_tried_again() -> None:
    assert await claims_on(Broker("refused", "refused", "stored")).create("t1.1")


async def test_the_claim_of_another_is_never_ones_own() -> None:
    broker = Broker("stored", "refused", "stored")
    assert await claims_on(broker).create("t1.1")
    assert not await claims_on(broker).create("t1.1")


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff"])
async def test_an_unreadable_claim_belongs_to_another(value: bytes) -> None:
    broker = Broker("stored")
    broker.value = value
    assert not await claims_on(broker).create("t1.1")


async def test_an_ended_claim_keeps_its_id_and_is_told_once() -> None:
    broker = Broker("stored")
    claims = claims_on(broker)
    await claims.create("t1.1")
    ended = claims.end(failure_result())
    assert ended is not None
    assert ended.key == "a1.t1.1"
    found = json.loads(ended.value)
    assert (found["state"], found["outcome"]) == ("ended", "failed")
    assert found["claim_id"] == broker.claim["claim_id"]
    assert claims.end(failure_result()) is None


async def claimed(broker: Broker) -> NatsClaims:
    claims = claims_on(broker)
    assert await claims.create("t1.1")
    return claims


@pytest.mark.parametrize(
    "answers",
    [["stored"], ["refused", "refused", "stored"], ["lost", "stored"]],
    ids=["at once", "retried", "ack lost"],
)
async def test_side_effects_are_stored_before_the_call_returns(answers: list[str]) -> None:
    broker = Broker("stored", *answers)
    claims = await claimed(broker)
    before = broker.claim
    await claims.record_side_effects("t1.1")
    assert broker.claim == before | {"side_effects": True}
    await claims.record_side_effects("t1.1")
    assert not broker.answers


async def test_side_effects_are_not_recorded_while_the_broker_does_not_answer() -> None:
    broker = Broker("stored", *["refused"] * 100_000)
    claims = await claimed(broker)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await claims.record_side_effects("t1.1")
    assert "side_effects" not in broker.claim


async def test_side_effects_of_a_lost_claim_are_stored_with_it() -> None:
    broker = Broker("stored", "stored")
    claims = await claimed(broker)
    broker.value, broker.sequence = None, 0
    await claims.record_side_effects("t1.1")
    assert broker.claim["side_effects"]


@pytest.mark.parametrize("stored", [b"", b'{"claim_id": "another"}'], ids=["purged", "another worker's"])
async def test_no_side_effects_are_recorded_on_a_claim_that_is_not_ones_own(stored: bytes) -> None:
    broker = Broker("stored", "stored")
    claims = await claimed(broker)
    broker.value = stored
    with pytest.raises(LeaseLost):
        await claims.record_side_effects("t1.1")
    assert broker.value == stored


async def test_no_side_effects_are_recorded_for_an_attempt_without_a_claim() -> None:
    with pytest.raises(LeaseLost):
        await claims_on(Broker()).record_side_effects("t1.1")


async def test_an_ended_claim_keeps_its_side_effects() -> None:
    broker = Broker("stored", "stored")
    claims = await claimed(broker)
    await claims.record_side_effects("t1.1")
    ended = claims.end(failure_result())
    assert ended is not None
    assert json.loads(ended.value)["side_effects"]
