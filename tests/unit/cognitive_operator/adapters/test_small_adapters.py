import asyncio
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from nats.aio.msg import Msg

from cognitive_operator.adapters.asyncio_tasks import end
from cognitive_operator.adapters.clock import SystemClock
from cognitive_operator.adapters.model.url import models_url
from cognitive_operator.adapters.nats.connection import NatsConnection
from cognitive_operator.adapters.nats.jetstream import JetStream, JetStreamError
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.adapters.ongoing_errors import OngoingErrors, describe
from cognitive_operator.errors import BrokerUnavailableError
from cognitive_operator.ports.model import ModelTarget


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://vllm:8000", "http://vllm:8000/v1/models"),
        ("http://vllm:8000/", "http://vllm:8000/v1/models"),
        ("http://vllm:8000/v1/", "http://vllm:8000/v1/models"),
        ("https://gateway/team/a", "https://gateway/team/a/v1/models"),
        ("https://api.example/v1beta/openai", "https://api.example/v1beta/openai/models"),
        (" http://vllm:8000/v1?tenant=a ", "http://vllm:8000/v1/models?tenant=a"),
    ],
)
def test_models_are_listed_below_the_version(endpoint: str, url: str) -> None:
    assert models_url(ModelTarget(endpoint)) == url


def test_the_clock_speaks_utc_with_microseconds() -> None:
    clock = SystemClock()
    now = datetime.strptime(clock.now(), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - now).total_seconds()) < 5
    assert clock.monotonic() <= clock.monotonic()


def test_an_error_is_logged_when_it_begins_changes_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    errors = OngoingErrors(logging.getLogger("errors"))
    for _ in range(3):
        errors.record("broker", "refused")
    errors.record("streams", "absent")
    errors.record("broker", "reset")
    assert errors.latest == "reset"
    errors.clear("broker")
    errors.clear("broker")
    assert errors.latest == "absent"
    told = [record.message for record in caplog.records]
    assert told == ["broker: refused", "streams: absent", "broker: reset", "broker: recovered"]


def test_errors_without_words_have_a_name() -> None:
    assert describe(TimeoutError()) == "TimeoutError"
    assert describe(OSError("two\nlines")) == "two lines"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://user:secret@a:4222", "nats://a:4222"),
        ("nats://token@a:4222, tls://b:4222", "nats://a:4222,tls://b:4222"),
        ("nats://a:4222", "nats://a:4222"),
    ],
)
def test_a_brokers_url_is_shown_without_credentials(url: str, shown: str) -> None:
    assert NatsSettings(url).redacted_url == shown


async def test_a_task_that_swallows_a_cancellation_is_ended_all_the_same() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed > 1:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end(task)
    await end(None)
    assert task.cancelled()
    assert swallowed == 2


class Answers:
    """In place of a connection: answers with what it was given, and remembers what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.asked: list[Any] = []
        self._answers = list(answers)

    async def request(self, subject: str, payload: bytes = b"", headers: Mapping[str, str] | None = None) -> Msg:
        self.asked.append(json.loads(payload))
        answer = self._answers.pop(0)
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return Msg(_client=cast(Any, None), data=data)


def page(total: int, *subjects: str) -> dict[str, Any]:
    return {"total": total, "state": {"subjects": dict.fromkeys(subjects, 1) or None}}


async def test_subjects_are_read_page_by_page() -> None:
    answers = Answers(page(5, "a", "b"), page(5, "c", "d"), page(5, "e"))
    js = JetStream(cast(NatsConnection, answers))
    assert [subject async for subject in js.subjects("S", "x.>")] == ["a", "b", "c", "d", "e"]
    assert [asked["offset"] for asked in answers.asked] == [0, 2, 4]
    assert {asked["subjects_filter"] for asked in answers.asked} == {"x.>"}


async def test_subjects_that_vanish_between_two_pages_end_the_list() -> None:
    js = JetStream(cast(NatsConnection, Answers(page(4, "a", "b"), page(2))))
    assert [subject async for subject in js.subjects("S", "x.>")] == ["a", "b"]


async def test_an_empty_stream_has_no_subjects() -> None:
    js = JetStream(cast(NatsConnection, Answers(page(0))))
    assert [subject async for subject in js.subjects("S", "x.>")] == []


async def test_refusals_name_the_request_and_the_reason() -> None:
    refusal = {"error": {"code": 503, "err_code": 10077, "description": "maximum messages exceeded"}}
    js = JetStream(cast(NatsConnection, Answers(refusal, {"error": {"err_code": 10059}}, b"garbage")))
    with pytest.raises(JetStreamError, match=r"\$JS.API.STREAM.INFO.S: maximum messages exceeded \(10077\)"):
        await js.call("STREAM.INFO.S", {"a": 1})
    assert await js.call_optional("STREAM.INFO.S", {"a": 1}) is None
    with pytest.raises(BrokerUnavailableError, match="the answer is not from JetStream"):
        await js.call("STREAM.INFO.S", {"a": 1})
