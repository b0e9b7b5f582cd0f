"""Input travels in the request or, if it is large, beside it as an object."""

import hashlib
import json

import pytest

from cognitive_operator.api.wire import Request
from cognitive_operator.desired.input import INLINE_INPUT_BYTES
from cognitive_operator.errors import MessageError
from cognitive_operator.plan.gates.inputs import InputNotReadyError
from support.builders import operator_objects as o
from support.fakes.input_desk import Desk, from_map


async def test_a_small_input_travels_in_the_request() -> None:
    desk = Desk(from_map())
    desk.config_map(text="x")
    assert await desk.publish()
    (request,) = desk.requests.published
    assert (request["input"], request["input_ref"]) == ({"error_message": "no", "log": "x"}, None)
    assert desk.objects.content == {}


async def test_a_large_input_travels_beside_the_request() -> None:
    desk = Desk(from_map())
    desk.config_map(text="x" * INLINE_INPUT_BYTES)
    assert await desk.publish()
    ((bucket, name), content), (request,) = (
        *desk.objects.content.items(),
        desk.requests.published,
    )
    assert (bucket, name) == (f"results-{o.AGENT_UID}", f"{o.TASK_UID}.1.input")
    assert json.loads(content) == {"error_message": "no", "log": "x" * INLINE_INPUT_BYTES}
    ref = {"bucket": bucket, "name": name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert (request["input"], request["input_ref"]) == ({}, ref)
    assert desk.record.has_input_beside


async def test_a_broker_that_takes_only_small_messages_gets_an_object() -> None:
    desk = Desk(input={"error_message": "x" * 50_000})
    desk.requests.max_payload = 20_000
    assert await desk.publish()
    assert desk.record.task is not None
    content = json.dumps(desk.record.task.spec.input, separators=(",", ":")).encode()
    assert list(desk.objects.content.values()) == [content]
    desk.requests.max_payload = 10
    with pytest.raises(MessageError):
        await desk.publish()


async def test_what_vanished_between_two_looks_is_not_published_without() -> None:
    desk = Desk(from_map())
    with pytest.raises(InputNotReadyError):
        await desk.publish()
    assert desk.requests.published == []


def test_a_request_shows_no_input() -> None:
    assert not Request.model_fields["input"].repr
