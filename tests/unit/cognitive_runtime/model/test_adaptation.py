"""Adaptation of a request to a model that refuses parameters, and what is learnt from it."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cognitive_runtime.adapters.model.adaptation import Adaptation, Body, Refusal
from cognitive_runtime.adapters.model.completion import Choice, Completion, CompletionMessage
from cognitive_runtime.adapters.model.provider_api import ProviderAPI
from cognitive_runtime.adapters.model.report import read_report
from cognitive_runtime.adapters.model.request_body import request_body
from cognitive_runtime.domain import (
    BadRequest,
    LearntBehaviour,
    Message,
    ModelBehaviour,
    ModelUnavailable,
    ReasoningError,
    VLLMRequest,
)
from cognitive_runtime.domain.behaviour import LIFETIME_S

URL = "http://server"
REQUEST = VLLMRequest(
    "m",
    (Message("user", "u"),),
    temperature=0.7,
    top_p=0.9,
    frequency_penalty=0.1,
    presence_penalty=0.1,
    json_schema={"type": "object"},
    reasoning_effort="low",
    tools=({"type": "function"},),
    stream=True,
)
Judge = Callable[[Body], tuple[int, Any] | None]
"""Returns status and error of a refused body, or None for an answer."""


class Server:
    """Server that judges each body, with an answer that holds an object."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.now_s = 1000.0
        self.learnt = LearntBehaviour(lambda: self.now_s)
        self.bodies: list[Body] = []
        self.text = "{}"

    async def send(self, body: Body) -> Completion:
        self.bodies.append(body)
        refused = self.judge(body)
        if refused is None:
            return Completion(choices=(Choice(message=CompletionMessage(content=self.text), finish_reason="stop"),))
        status, error = refused
        kind = ModelUnavailable if status >= 500 else BadRequest
        raise Refusal(kind(f"HTTP {status}"), read_report({"error": error}, status))

    def adaptation(self, request: VLLMRequest = REQUEST, *, has_retries: bool = False) -> Adaptation:
        return Adaptation(self.learnt, URL, request, has_retries=has_retries)

    async def call(self, request: VLLMRequest = REQUEST, adaptation: Adaptation | None = None) -> None:
        found = adaptation or self.adaptation(request)
        await found.call(lambda known: request_body(request, known, ProviderAPI()), self.send)

    @property
    def forms(self) -> list[str | None]:
        """Types of the response format that were sent."""
        return [body.get("response_format", {}).get("type") for body in self.bodies]

    @property
    def known(self) -> ModelBehaviour:
        """Learnt behaviour, without its time."""
        return replace(self.learnt.of(URL, "m"), learnt_at_s=0.0)


def refuses(*names: str) -> Judge:
    def judge(body: Body) -> tuple[int, Any] | None:
        name = next((each for each in names if each in body), None)
        return (400, {"message": f"Unsupported parameter: '{name}'", "param": name}) if name else None

    return judge


def fails_with_form(status: int, message: str = "x", *forms: str) -> Judge:
    def judge(body: Body) -> tuple[int, Any] | None:
        form = body.get("response_format", {}).get("type")
        return (status, {"message": message}) if form and (not forms or form in forms) else None

    return judge


@pytest.mark.parametrize(
    "name",
    [
        "temperature",
        "top_p",
        "frequency_penalty",
        "presence_penalty",
        "reasoning_effort",
        "stream",
        "stream_options",
        "tools",
    ],
)
async def test_a_refused_parameter_is_left_out_and_learnt(name: str) -> None:
    server = Server(refuses(name))
    for _ in range(2):
        await server.call()
    refused, adapted, later = server.bodies
    assert name in refused
    gone = {name, "stream_options"} if name == "stream" else {name}
    assert adapted == later == {key: value for key, value in refused.items() if key not in gone}
    assert server.known == ModelBehaviour(URL, "m", frozenset({name}))


async def test_parameters_are_refused_one_after_the_other() -> None:
    server = Server(refuses("max_tokens", "temperature", "top_p", "response_format"))
    await server.call()
    assert len(server.bodies) == 5
    assert server.known == ModelBehaviour(URL, "m", frozenset({"max_tokens", "temperature", "top_p"}), "Text")
    assert server.bodies[-1]["max_completion_tokens"] == 2048


@pytest.mark.parametrize(("first", "second"), [("max_tokens", "max_completion_tokens")])
async def test_the_limit_of_tokens_changes_its_name_and_back(first: str, second: str) -> None:
    server = Server(refuses(first))
    await server.call()
    assert (server.bodies[-1][second], first in server.bodies[-1]) == (2048, False)
    server.judge = refuses(second)
    await server.call()
    assert (server.bodies[-1][first], second in server.bodies[-1]) == (2048, False)
    assert server.known.refused == {second}


async def test_a_server_that_refuses_both_limits_is_asked_twice() -> None:
    server = Server(refuses("max_tokens", "max_completion_tokens"))
    with pytest.raises(BadRequest):
        await server.call()
    assert len(server.bodies) == 2


async def test_a_parameter_that_is_still_refused_without_it_ends_the_calls() -> None:
    server = Server(lambda _: (400, {"message": "temperature is wrong"}))
    with pytest.raises(BadRequest):
        await server.call()
    assert [("temperature" in body) for body in server.bodies] == [True, False, False, False]
    assert not server.known.is_known


@pytest.mark.parametrize(
    ("judge", "forms", "output"),
    [
        (fails_with_form(400, "response_format type json_schema is no option", "json_schema"), 1, "JSONObject"),
        (fails_with_form(400, "json_schema and json_object are no options"), 2, "Text"),
        (fails_with_form(400, "response_format is not supported"), 1, "Text"),
        (fails_with_form(500, "response_format type must be text, but got: json_schema"), 2, "Text"),
        (fails_with_form(501, "x"), 2, "Text"),
        (fails_with_form(415, "x"), 2, "Text"),
        (fails_with_form(422, "Bad request"), 2, "Text"),
        (fails_with_form(500, "Internal Server Error"), 2, "Text"),
    ],
)
async def test_a_weaker_form_of_the_answer_is_found_and_learnt(judge: Judge, forms: int, output: str) -> None:
    server = Server(judge)
    await server.call()
    assert len(server.bodies) == forms + 1
    assert server.known.output == output
    await server.call()
    assert len(server.bodies) == forms + 2


async def test_a_500_is_repeated_unchanged_before_its_form_is_changed() -> None:
    server = Server(fails_with_form(500, "Internal Server Error"))
    adaptation = server.adaptation(has_retries=True)
    with pytest.raises(ModelUnavailable):
        await server.call(adaptation=adaptation)
    assert server.forms == ["json_schema"]
    await server.call(adaptation=adaptation)
    assert server.forms == ["json_schema", "json_schema", "json_object", None]
    assert server.known.output == "Text"


@pytest.mark.parametrize("status", [400, 422, 500])
async def test_a_stray_failure_teaches_nothing(status: int) -> None:
    failures = [(status, {"message": "x"})]
    server = Server(lambda body: failures.pop() if failures else None)
    await server.call()
    await server.call()
    assert server.forms == ["json_schema", "json_object", "json_schema"]
    assert not server.known.is_known


async def test_a_failure_without_a_named_cause_is_learnt_when_it_happens_again() -> None:
    server = Server(fails_with_form(400, "x", "json_schema"))
    for _ in range(3):
        await server.call()
    assert server.forms == ["json_schema", "json_object", "json_schema", "json_object", "json_object"]
    assert server.known.output == "JSONObject"


async def test_two_stray_failures_with_a_success_in_between_teach_nothing() -> None:
    failures: list[tuple[int, Any]] = []
    server = Server(lambda _: failures.pop() if failures else None)
    for stray in (True, False, True, False):
        failures += [(400, {"message": "x"})] if stray else []
        await server.call()
    assert server.forms[-4:] == ["json_schema", "json_schema", "json_object", "json_schema"]
    assert not server.known.is_known


async def test_simultaneous_requests_that_share_a_stray_failure_learn_nothing_from_it() -> None:
    server = Server(fails_with_form(400, "x", "json_schema"))
    both = asyncio.Barrier(2)

    async def together(body: Body) -> Completion:
        if body.get("response_format", {}).get("type") == "json_schema":
            await both.wait()
        return await server.send(body)

    calls = (
        server.adaptation().call(lambda known: request_body(REQUEST, known, ProviderAPI()), together) for _ in range(2)
    )
    await asyncio.wait_for(asyncio.gather(*calls), 5)
    assert sorted(map(str, server.forms)) == ["json_object", "json_object", "json_schema", "json_schema"]
    assert not server.known.is_known
    await server.call()
    assert server.known.output == "JSONObject"


@pytest.mark.parametrize("status", [400, 500])
async def test_a_server_that_always_fails_teaches_nothing_and_is_asked_as_before(status: int) -> None:
    server = Server(lambda _: (status, {"message": "x"}))
    adaptation = server.adaptation()
    for _ in range(2):
        with pytest.raises(ReasoningError):
            await server.call(adaptation=adaptation)
    assert server.forms == ["json_schema", "json_object", None, "json_schema"]
    assert not server.known.is_known


async def test_a_changed_call_with_a_useless_answer_teaches_nothing_about_forms() -> None:
    server = Server(fails_with_form(400, "response_format is not supported"))
    server.text = "I cannot answer."
    await server.call()
    assert not server.known.is_known


async def test_a_tailored_schema_teaches_nothing_about_schemas_but_about_parameters() -> None:
    judges = [fails_with_form(400, "the schema is too deep"), refuses("temperature")]
    server = Server(lambda body: next(filter(None, (judge(body) for judge in judges)), None))
    await server.call(replace(REQUEST, has_tailored_schema=True))
    assert server.known == ModelBehaviour(URL, "m", frozenset({"temperature"}))


async def test_a_refused_field_of_the_user_is_named_and_not_dropped() -> None:
    server = Server(refuses("top_k"))
    with pytest.raises(BadRequest, match=r"refuses the field llm\.extraBody\.top_k"):
        await server.call(replace(REQUEST, extra_body={"top_k": 5}))
    assert len(server.bodies) == 1


async def test_an_error_about_another_field_is_raised_at_once() -> None:
    server = Server(lambda _: (400, {"message": "x", "param": "messages[0].role"}))
    with pytest.raises(BadRequest):
        await server.call()
    assert len(server.bodies) == 1


async def test_what_was_learnt_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(refuses("temperature"))
    with caplog.at_level(logging.INFO, "cognitive_runtime"):
        for _ in range(2):
            await server.call()
    (record,) = caplog.records
    fields = ("event", "endpoint", "model", "refused", "output", "bounded")
    assert [vars(record)[name] for name in fields] == [
        "ModelBehaviourLearnt",
        URL,
        "m",
        ["temperature"],
        "Schema",
        False,
    ]


async def test_what_was_learnt_is_forgotten_after_an_hour() -> None:
    server = Server(refuses("temperature"))
    await server.call()
    server.now_s += LIFETIME_S - 1
    await server.call()
    server.now_s += 1
    await server.call()
    assert ["temperature" in body for body in server.bodies] == [True, False, False, True, False]
