"""Requests in the stream: each is published once, listed, read and deleted."""

import asyncio

import pytest
from nats.js import JetStreamContext

from cognitive_operator.adapters.nats.broker import NatsBroker
from cognitive_operator.api import names
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.errors import MessageError
from support.builders.broker_keys import KEY, SUBJECT

pytestmark = pytest.mark.component


async def test_an_attempt_is_created_once(broker: NatsBroker, js: JetStreamContext) -> None:
    outcomes = await asyncio.gather(*(broker.requests.publish(SUBJECT, b"%d" % n) for n in range(20)))
    assert sorted(outcomes) == [False] * 19 + [True]
    stored = await js.get_last_msg("AGENT_REQUESTS", SUBJECT)
    assert stored.data == b"%d" % outcomes.index(True)


async def test_requests_are_listed_and_deleted(broker: NatsBroker) -> None:
    other = AttemptKey("agent-2", "task-2", 12)
    await broker.requests.publish(SUBJECT, b"{}")
    await broker.requests.publish(names.request_subject("team", other), b"{}")
    assert await broker.requests.list() == {("default", KEY), ("team", other)}
    await broker.requests.delete(SUBJECT)
    await broker.requests.delete(SUBJECT)
    assert await broker.requests.list() == {("team", other)}


async def test_a_request_is_read_as_it_was_published(broker: NatsBroker) -> None:
    assert await broker.requests.read(SUBJECT) is None
    await broker.requests.publish(SUBJECT, b'{"timeout_seconds": 600}')
    assert await broker.requests.read(SUBJECT) == b'{"timeout_seconds": 600}'
    await broker.requests.delete(SUBJECT)
    assert await broker.requests.read(SUBJECT) is None


async def test_subjects_that_are_no_requests_are_not_listed(broker: NatsBroker, js: JetStreamContext) -> None:
    await js.publish("agent.request.default.agent.task.one", b"{}")
    await js.publish("agent.request.short", b"{}")
    assert await broker.requests.list() == set()


async def test_a_request_that_the_broker_cannot_take_is_refused_for_good(broker: NatsBroker) -> None:
    with pytest.raises(MessageError, match=r"1048577 bytes, the broker's limit is 1048576"):
        await broker.requests.publish(SUBJECT, b"x" * (1024 * 1024 + 1))
