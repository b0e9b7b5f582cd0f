"""The executor of a single agent, as its users construct it."""

import asyncio
import contextlib
import pickle
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from cognitive_runtime.adapters.asyncio_executor import AsyncioExecutor
from cognitive_runtime.adapters.nats.publisher import NATSResultPublisher
from cognitive_runtime.adapters.ray.agent_executor import RayAgentExecutor
from cognitive_runtime.adapters.vllm import VLLMHTTPClient
from cognitive_runtime.domain import (
    AgentConfig,
    AgentResult,
    AgentRole,
    FailureResult,
    IResultPublisher,
    ModelBehaviour,
    ModelUnavailable,
    Usage,
    VLLMRequest,
    VLLMResponse,
)

CONFIG = AgentConfig("agent-123", AgentRole.DEV, "meta-llama/Meta-Llama-3-8B-Instruct", "http://vllm-server:8000")


class Publisher:
    def __init__(self) -> None:
        self.calls: list[Any] = []

    async def connect(self) -> None:
        self.calls.append("connect")

    async def publish_success(self, result: Any, **extras: Any) -> None:
        self.calls.append((result, extras))

    async def publish_failure(self, result: Any, **extras: Any) -> None:
        self.calls.append((result, extras))

    async def close(self) -> None:
        self.calls.append("close")


class Model:
    behaviour = ModelBehaviour("http://vllm-server:8000", CONFIG.model)

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.requests: list[VLLMRequest] = []

    def learn_bounded(self) -> None:
        return

    async def generate(self, request: VLLMRequest) -> VLLMResponse:
        self.requests.append(request)
        if self.error:
            raise self.error
        return VLLMResponse("class Tree: ...", "agent-123", "DEV", request.model, request.temperature, Usage(1, 2, 3))


def _executor(error: Exception | None = None) -> tuple[RayAgentExecutor, Publisher, Model]:
    publisher, model = Publisher(), Model(error)
    return RayAgentExecutor(CONFIG, cast(IResultPublisher, publisher), model, AsyncioExecutor()), publisher, model


def test_a_task_is_answered_and_published_once() -> None:
    executor, publisher, model = _executor()
    constraints = {"language": "python", "timeout": 120, "metadata": {"task_id": "story-1"}}
    found = executor.run("task-abc-789", "Implement a binary search tree in Python", constraints)

    assert (found["status"], found["success"], found["task_id"]) == ("completed", True, "task-abc-789")
    assert (found["role"], found["proposal"]["author_role"]) == ("DEV", "DEV")
    assert found["proposal"]["content"] == "class Tree: ..."
    first, (published, extras), last = publisher.calls
    assert (first, last) == ("connect", "close")
    assert isinstance(published, AgentResult)
    assert extras == {"original_task_id": "story-1", "constraints": constraints}
    assert "python" in str(model.requests[0].messages)


@pytest.mark.parametrize(
    ("error", "error_type", "retryable"),
    [(ModelUnavailable("HTTP 503"), "ModelUnavailable", True), (KeyError("secret text"), "InternalError", True)],
)
def test_a_failure_is_published_once_and_returned(error: Exception, error_type: str, retryable: bool) -> None:
    executor, publisher, _ = _executor(error)
    found = executor.run("t1", "think")
    assert (found["status"], found["error_type"], found["retryable"]) == ("failed", error_type, retryable)
    ((published, _),) = [call for call in publisher.calls if isinstance(call, tuple)]
    assert isinstance(published, FailureResult)
    assert "secret text" not in found["error"]


def test_names_that_are_no_token_of_a_subject_become_one() -> None:
    executor, publisher, _ = _executor()
    executor.run("a.b > c", "think")
    published, extras = publisher.calls[1]
    assert published.task_uid == "a-b---c"
    assert extras["original_task_id"] == "a.b > c"


def test_info_holds_no_secret() -> None:
    info = RayAgentExecutor(
        AgentConfig("a", "DEV", "m", "http://v", nats_url="nats://user:secret@nats:4222"),
        cast(IResultPublisher, Publisher()),
        Model(),
        AsyncioExecutor(),
    ).get_info()
    assert (info["agent_id"], info["mode"], info["timeout"]) == ("a", "text-only", 60)
    assert set(info["versions"]) == {"runtime", "python"}
    assert "secret" not in str(info)


def test_tools_are_refused(tmp_path: Path) -> None:
    config = AgentConfig("a", "DEV", "m", "http://v", enable_tools=True, workspace_path=tmp_path)
    with pytest.raises(ValueError, match="enable_tools"):
        RayAgentExecutor(config, cast(IResultPublisher, Publisher()), Model(), AsyncioExecutor())


def test_real_dependencies_travel_to_a_ray_worker() -> None:
    client = VLLMHTTPClient(CONFIG.vllm_url, CONFIG.agent_id, str(CONFIG.role), CONFIG.model)
    executor = RayAgentExecutor(CONFIG, NATSResultPublisher(nats_url="nats://nats:4222"), client, AsyncioExecutor())
    assert pickle.loads(pickle.dumps(executor)).get_info() == executor.get_info()


async def test_it_can_be_called_where_a_loop_runs() -> None:
    executor, _, _ = _executor()
    assert executor.run("t1", "think")["status"] == "completed"


class Hanging:
    """A broker without a stream: nothing is ever stored. It ignores the first cancellation, as nats-py may."""

    def __init__(self) -> None:
        self.closed = False

    async def connect(self) -> None:
        return

    async def publish_success(self, result: Any, **extras: Any) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    publish_failure = publish_success

    async def close(self) -> None:
        self.closed = True


class HangingModel(Model):
    async def generate(self, request: VLLMRequest) -> VLLMResponse:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize("constraints", [{}, {"timeout": 0.3}])
def test_a_run_without_a_stream_ends_within_its_limit(
    constraints: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    publisher = Hanging()
    config = replace(CONFIG, timeout=60 if constraints else 0.3)
    executor = RayAgentExecutor(config, cast(IResultPublisher, publisher), Model(), AsyncioExecutor())
    begun = time.monotonic()
    found = executor.run("t1", "think", constraints)
    assert time.monotonic() - begun < 10
    assert (found["status"], found["published"], publisher.closed) == ("completed", False, True)
    assert "ResponseNotPublished" in [vars(record).get("event") for record in caplog.records]


def test_a_model_that_never_answers_leaves_time_to_publish_the_failure() -> None:
    publisher = Publisher()
    config = replace(CONFIG, timeout=0.3)
    executor = RayAgentExecutor(config, cast(IResultPublisher, publisher), HangingModel(), AsyncioExecutor())
    found = executor.run("t1", "think")
    assert (found["error_type"], found["error"]) == ("DeadlineExceeded", "The task ran for its limit of 0.3 s.")
    assert found["published"] is True
    assert isinstance(publisher.calls[1][0], FailureResult)
