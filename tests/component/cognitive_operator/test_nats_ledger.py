"""The stream of responses read in its order, and the operator's own notes in it."""

import pytest
from nats.js import JetStreamContext

from cognitive_operator.adapters.nats.broker import NatsBroker
from cognitive_operator.api.names import (
    AttemptKey,
    response_subject,
    responses_of_agent,
    responses_of_attempt,
    responses_of_task,
)
from support.builders.broker_keys import AGENT

pytestmark = pytest.mark.component


def key(task: str = "task", number: int = 1, agent: str = AGENT) -> AttemptKey:
    return AttemptKey(agent, task, number)


async def test_messages_are_read_in_order_page_by_page(broker: NatsBroker, js: JetStreamContext) -> None:
    headers = {"Cognitive-Signature": "abc"}
    for number in range(1, 6):
        await js.publish(response_subject("completed", "team", key(f"t{number}")), b"%d" % number, headers=headers)
        await js.publish(response_subject("completed", "team", key(agent="another")), b"other")
    subjects = responses_of_agent("team", AGENT)
    assert await broker.responses.read(responses_of_agent("team", "nobody"), 0, 10) == []
    first = await broker.responses.read(subjects, 0, 2)
    assert [(m.sequence, m.data, dict(m.headers)) for m in first] == [(1, b"1", headers), (3, b"2", headers)]
    assert first[0].subject == response_subject("completed", "team", key("t1"))
    rest = await broker.responses.read(subjects, first[-1].sequence, 10)
    assert [m.sequence for m in rest] == [5, 7, 9]
    assert await broker.responses.read(subjects, 9, 10) == []


async def test_all_ends_of_a_task_are_found(broker: NatsBroker, js: JetStreamContext) -> None:
    for outcome, number in (("closed", 1), ("completed", 2), ("failed", 1)):
        await js.publish(response_subject(outcome, "team", key(number=number)), outcome.encode())
    await js.publish(response_subject("failed", "team", key("another")), b"no")
    found = await broker.responses.read(responses_of_task("team", key()), 0, 10)
    assert [m.data for m in found] == [b"closed", b"completed", b"failed"]


async def test_a_note_is_made_once_by_however_many_operators(broker: NatsBroker, js: JetStreamContext) -> None:
    subject = response_subject("closed", "team", key())
    assert await broker.responses.publish_closed(subject, b"first", {"Cognitive-Signature": "a"}) == 1
    await js.publish(response_subject("failed", "team", key()), b"late")
    assert await broker.responses.publish_closed(subject, b"second", {"Cognitive-Signature": "b"}) == 1
    (note,) = [m for m in await broker.responses.read(responses_of_agent("team", AGENT), 0, 10) if m.subject == subject]
    assert (note.data, note.headers["Cognitive-Signature"]) == (b"first", "a")


async def test_a_stream_that_was_made_anew_is_told_from_the_old_one(broker: NatsBroker, js: JetStreamContext) -> None:
    before = await broker.responses.stream_created_at()
    assert before == await broker.responses.stream_created_at()
    config = (await js.stream_info("AGENT_RESPONSES")).config
    await js.delete_stream("AGENT_RESPONSES")
    await js.add_stream(config)
    assert await broker.responses.stream_created_at() != before


async def test_a_delivery_knows_its_place_in_the_stream(broker: NatsBroker, js: JetStreamContext) -> None:
    await js.publish(response_subject("failed", "team", key("t1")), b"1")
    await js.publish(response_subject("failed", "team", key("t2")), b"2")
    taken = [*await broker.responses.fetch(2, 5.0)]
    taken += [] if len(taken) == 2 else await broker.responses.fetch(2, 5.0)
    assert [d.response.sequence for d in taken] == [1, 2]
    (found,) = await broker.responses.read(responses_of_attempt("team", key("t2")), 0, 10)
    assert found.sequence == 2
