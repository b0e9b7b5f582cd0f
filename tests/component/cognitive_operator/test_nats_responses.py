"""Responses come in batches, again until they are settled, and as dead letters if they cannot be read."""

import asyncio
import json
from base64 import b64decode

import pytest
from nats.js import JetStreamContext

from cognitive_operator.adapters.nats.broker import NatsBroker
from support.eventually import LIMIT_S

pytestmark = pytest.mark.component


async def test_the_first_response_does_not_wait_for_the_batch_to_fill(broker: NatsBroker, js: JetStreamContext) -> None:
    fetching = asyncio.create_task(broker.responses.fetch(64, 60))
    await asyncio.sleep(0.2)
    await js.publish("agent.response.completed.default.a.t.1", b"one", headers={"Cognitive-Signature": "abc"})
    (delivery,) = await asyncio.wait_for(fetching, 10)
    assert delivery.response.data == b"one"
    assert delivery.response.headers == {"Cognitive-Signature": "abc"}
    assert delivery.deliveries == 1


async def test_many_responses_come_in_batches_and_once(broker: NatsBroker, js: JetStreamContext) -> None:
    for number in range(200):
        await js.publish(f"agent.response.completed.default.a.t{number}.1", b"%d" % number)
    seen: list[bytes] = []
    while len(seen) < 200:
        batch = await broker.responses.fetch(64, 5)
        assert 0 < len(batch) <= 64
        seen += [delivery.response.data for delivery in batch]
        await asyncio.gather(*(delivery.ack() for delivery in batch))
    assert sorted(seen, key=int) == [b"%d" % number for number in range(200)]
    assert await broker.responses.fetch(64, 0.2) == []
    info = await js.consumer_info("AGENT_RESPONSES", "cognitive-operator")
    assert (info.num_pending, info.num_ack_pending) == (0, 0)


async def test_nothing_to_fetch_is_an_empty_answer_in_time(broker: NatsBroker) -> None:
    started = asyncio.get_running_loop().time()
    async with asyncio.timeout(LIMIT_S):
        assert await broker.responses.fetch(64, 0.3) == []
    assert asyncio.get_running_loop().time() - started > 0.29


async def test_a_response_comes_again_after_the_delay_until_it_is_settled(
    broker: NatsBroker, js: JetStreamContext
) -> None:
    await js.publish("agent.response.failed.default.a.t.1", b"again")
    (first,) = await broker.responses.fetch(64, 5)
    await first.nak(1.0)
    assert await broker.responses.fetch(64, 0.15) == []
    (second,) = await broker.responses.fetch(64, 5)
    assert (second.response.data, second.deliveries) == (b"again", 2)
    await second.term()
    assert await broker.responses.fetch(64, 0.5) == []
    assert (await js.consumer_info("AGENT_RESPONSES", "cognitive-operator")).num_ack_pending == 0


async def test_what_nobody_can_use_becomes_a_dead_letter_with_its_reason(
    broker: NatsBroker, js: JetStreamContext
) -> None:
    subject, content = "agent.response.failed.default.a.t.1", b"\xff" * 100_000
    ack = await js.publish(subject, content)
    (delivery,) = await broker.responses.fetch(64, 5)
    await delivery.reject("Malformed", "not JSON")
    assert await broker.responses.fetch(64, 0.5) == []
    letter = await js.get_last_msg("AGENT_DEAD_LETTERS", "agent.dead_letter.failed.default.a.t.1")
    told = json.loads(letter.data or b"")
    assert b64decode(told.pop("data_base64")) == content[: 48 * 1024]
    assert told == {
        "schema_version": 1,
        "subject": subject,
        "sequence": ack.seq,
        "reason": "Malformed",
        "cause": "not JSON",
        "size_bytes": len(content),
    }
