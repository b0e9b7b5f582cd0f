"""A model client that answers by a script and records what it was asked."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cognitive_runtime.domain import (
    CallMeter,
    ExecutionRequest,
    IAllowance,
    ModelBehaviour,
    ModelEndpoint,
    Usage,
    VLLMRequest,
    VLLMResponse,
)

Answer = str | dict[str, Any] | VLLMResponse | BaseException
ENDPOINT = "http://model.test/v1"


def response(content: str = "", usage: Usage | None = None, **fields: Any) -> VLLMResponse:
    """Return a response of the model."""
    by = ModelEndpoint("openaiCompatible", "scripted", ENDPOINT)
    return VLLMResponse(content, "agent", "DEV", "scripted", None, usage or Usage(10, 5, 15), answered_by=by, **fields)


class FakeModel:
    """Implements ``IVLLMClient`` and ``IModelSource``: one script for all attempts.

    The script is a list of answers, of which the last one is repeated, or a function of the request. A dict is answered
    as JSON, an exception is raised. From the call number ``hangs_from`` on, a call waits until it is cancelled; the
    first one that does sets ``called``.
    """

    def __init__(self, *answers: Answer, by: Callable[[VLLMRequest], Answer] | None = None) -> None:
        self._answers = list(answers)
        self._by = by
        self.requests: list[VLLMRequest] = []
        self.behaviour = ModelBehaviour(ENDPOINT, "scripted")
        self.hangs_from: int | None = None
        self.called = asyncio.Event()
        self.calls = 0
        self.waiting = 0
        self.deadlines_s: list[float] = []
        self.keeps_requests = True
        self.closed = 0

    def open(
        self,
        request: ExecutionRequest,
        deadline_s: float,
        allowance: IAllowance | None = None,
        meter: CallMeter | None = None,
    ) -> "FakeModel":
        self.deadlines_s.append(deadline_s)
        return self

    def learn_bounded(self) -> None:
        self.behaviour = replace(self.behaviour, bounded=True)

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        return (self.behaviour,) if self.behaviour.is_known else ()

    async def close(self) -> None:
        self.closed += 1

    async def generate(self, request: VLLMRequest) -> VLLMResponse:
        if self.keeps_requests:
            self.requests.append(request)
        self.calls += 1
        self.waiting += 1
        try:
            await self._wait()
        finally:
            self.waiting -= 1
        return self._answer(request)

    async def _wait(self) -> None:
        if self.hangs_from is not None and self.calls >= self.hangs_from:
            self.called.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    def _answer(self, request: VLLMRequest) -> VLLMResponse:
        answer = self._by(request) if self._by else self._answers[0]
        if not self._by and len(self._answers) > 1:
            self._answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, VLLMResponse):
            return answer
        return response(answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False))


def prompt(request: VLLMRequest) -> str:
    """Return all texts of a request."""
    return "\n".join(message.content for message in request.messages)


def schema(request: VLLMRequest) -> dict[str, Any]:
    """Return the JSON Schema with which the model was asked."""
    assert request.json_schema is not None
    return request.json_schema
