"""Publishing repeats until the stream has the response, whatever the broker answers."""

import hashlib
import json
from collections import deque
from pathlib import Path
from typing import cast

import nats.errors
import pytest
from nats.js.errors import APIError, NoStreamResponseError, ServiceUnavailableError

from cognitive_runtime.adapters.nats.connection import BrokerConnection
from cognitive_runtime.adapters.nats.publisher import NATSResultPublisher, PublishBackoff
from cognitive_runtime.adapters.spool import Spool
from cognitive_runtime.domain import DeliberationResult, MemberResult
from support.builders.outcomes import agent_result, failure_result

FULL = APIError(code=400, err_code=10077, description="maximum messages exceeded")
REFUSED = APIError(code=400, err_code=10054, description="message size exceeds maximum allowed")


class Broker:
    def __init__(self, *errors: BaseException) -> None:
        self.errors = deque(errors)
        self.published: list[tuple[str, bytes, dict[str, str] | None]] = []

    def jetstream(self) -> "Broker":
        return self

    async def wait_connected(self) -> None:
        pass

    async def publish(self, subject: str, payload: bytes, *, timeout: float, headers: dict[str, str] | None) -> None:  # noqa: ASYNC109 - the library's own signature
        if self.errors:
            raise self.errors.popleft()
        self.published.append((subject, payload, headers))


def publisher_on(broker: Broker, spool: Spool | None = None) -> NATSResultPublisher:
    return NATSResultPublisher(broker=cast(BrokerConnection, broker), spool=spool, backoff=PublishBackoff(first_s=0))


@pytest.mark.parametrize(
    "errors",
    [
        [],
        [nats.errors.TimeoutError()],
        [NoStreamResponseError()],
        [nats.errors.ConnectionClosedError(), nats.errors.ConnectionClosedError()],
        [ServiceUnavailableError(code=503, err_code=10008, description="temporarily unavailable")],
        [FULL, FULL, FULL],
        [REFUSED],
        [OSError("broken pipe"), json.JSONDecodeError("x", "", 0)],
    ],
    ids=["at once", "time-out", "no stream", "closed", "unavailable", "full", "refused", "broken"],
)
async def test_it_repeats_until_the_stream_has_the_response(errors: list[Exception], tmp_path: Path) -> None:
    broker, spool = Broker(*errors), Spool(tmp_path, "a1")
    await publisher_on(broker, spool).publish_success(agent_result())
    ((subject, payload, headers),) = broker.published
    assert subject == "agent.response.completed.default.a1.t1.1"
    assert json.loads(payload)["result"] == {"thought": "x"}
    assert headers is not None
    assert set(headers) == {"Cognitive-Signature", "Nats-Msg-Id"}
    assert list(spool.pending()) == []


async def test_a_crash_while_publishing_leaves_the_response_on_disk_without_its_key(tmp_path: Path) -> None:
    class Crash(BaseException):
        pass

    spool = Spool(tmp_path, "a1")
    with pytest.raises(Crash):
        await publisher_on(Broker(Crash()), spool).publish_success(agent_result())
    ((path, left),) = spool.pending()
    assert agent_result().attempt_key not in path.read_text()

    broker = Broker()
    assert await publisher_on(broker, spool).publish_spooled() == 1
    assert broker.published == [(left.subject, left.payload.encode(), left.headers)]
    assert list(spool.pending()) == []


async def test_what_the_caller_adds_is_in_the_event_and_signed() -> None:
    broker = Broker()
    await publisher_on(broker).publish_success(
        agent_result(), num_agents=3, original_task_id="story-1", constraints={"language": "fr"}
    )
    ((_, payload, _),) = broker.published
    found = json.loads(payload)
    assert (found["num_agents"], found["original_task_id"], found["constraints"]) == (3, "story-1", {"language": "fr"})


async def test_an_outcome_without_a_key_is_not_signed() -> None:
    broker = Broker()
    await publisher_on(broker).publish_success(agent_result(attempt_key=""))
    assert not broker.published[0][2]


async def test_long_reasoning_is_an_object_that_is_stored_before_the_response(tmp_path: Path) -> None:
    reasoning = "é" * 3000
    broker, spool = Broker(nats.errors.TimeoutError()), Spool(tmp_path, "a1")
    await publisher_on(broker, spool).publish_success(agent_result(reasoning=reasoning))

    *objects, (subject, payload, _) = broker.published
    assert [content for _, content, _ in objects[:-1]] == [reasoning.encode()]
    assert objects[0][2] == {"Nats-Rollup": "sub"}
    assert json.loads(objects[-1][1])["name"] == "t1.1.reasoning"
    assert subject == "agent.response.completed.default.a1.t1.1"
    body = json.loads(payload)
    assert body["reasoning"] == "é" * 2048
    assert body["reasoning_ref"] == {
        "bucket": "results-a1",
        "name": "t1.1.reasoning",
        "size_bytes": 6000,
        "sha256": hashlib.sha256(reasoning.encode()).hexdigest(),
    }
    assert list(spool.pending()) == []


@pytest.mark.parametrize("selected", [1, None])
async def test_large_answers_of_other_members_are_an_object_that_is_stored_before_the_response(
    selected: int | None,
) -> None:
    others = {"proposal": "é" * 9000}
    members = (MemberResult(1, "Succeeded", result={"proposal": "a"}), MemberResult(2, "Succeeded", result=others))
    found, broker = DeliberationResult("Agreement", selected, members), Broker()
    if selected is None:
        failure = failure_result(deliberation=found, error_type="EmptyResponse")
        await publisher_on(broker).publish_failure(failure)
    else:
        await publisher_on(broker).publish_success(agent_result(deliberation=found))
    *objects, (_, payload, _) = broker.published
    listed = [{"number": each.number, "result": each.result} for each in members if each.number != selected]
    assert json.loads(b"".join(content for _, content, _ in objects[:-1])) == listed
    assert json.loads(objects[-1][1])["name"] == "t1.1.members"
    sent = json.loads(payload)["deliberation"]
    assert sent["members_ref"]["name"] == "t1.1.members"
    assert not any("result" in member for member in sent["members"])


async def test_short_reasoning_is_no_object() -> None:
    broker = Broker()
    await publisher_on(broker).publish_success(agent_result(reasoning="é" * 2048))
    ((_, payload, _),) = broker.published
    assert json.loads(payload)["reasoning"] == "é" * 2048
    assert "reasoning_ref" not in json.loads(payload)


async def test_half_a_surrogate_in_long_reasoning_is_no_crash() -> None:
    broker = Broker()
    await publisher_on(broker).publish_success(agent_result(reasoning="\ud800" * 5000))
    assert json.loads(broker.published[-1][1])["reasoning_ref"]["size_bytes"] == 5000


async def test_a_next_worker_stores_the_reasoning_that_a_dead_one_left(tmp_path: Path) -> None:
    class Crash(BaseException):
        pass

    spool = Spool(tmp_path, "a1")
    with pytest.raises(Crash):
        await publisher_on(Broker(Crash()), spool).publish_success(agent_result(reasoning="x" * 5000))

    broker = Broker()
    assert await publisher_on(broker, spool).publish_spooled() == 1
    assert broker.published[0][1] == b"x" * 5000
    assert broker.published[-1][0] == "agent.response.completed.default.a1.t1.1"


def test_it_needs_exactly_one_broker() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        NATSResultPublisher()
    with pytest.raises(ValueError, match="exactly one"):
        NATSResultPublisher("nats://nats:4222", broker=cast(BrokerConnection, Broker()))
