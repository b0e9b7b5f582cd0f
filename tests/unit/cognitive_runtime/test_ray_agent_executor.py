"""The executor of a single agent, as its users construct it."""

import asyncio
import contextlib
import json
import pickle
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from cognitive_runtime.adapters.asyncio_executor import AsyncioExecutor
from cognitive_runtime.adapters.model import VLLMHTTPClient
from cognitive_runtime.adapters.nats.publisher import NATSResultPublisher
from cognitive_runtime.adapters.ray.agent_executor import RayAgentExecutor
from cognitive_runtime.bootstrap.vllm_agent import VLLMAgent
from cognitive_runtime.domain import (
    AgentConfig,
    AgentResult,
    AgentRole,
    FailureResult,
    IResultPublisher,
    ModelUnavailable,
    Usage,
    VLLMRequest,
    VLLMResponse,
)
from support.fakes.model_client import Answer, FakeModel
from support.fakes.plain_model import PlainModel

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


class Model(PlainModel):
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


def tool_config(tmp_path: Path) -> AgentConfig:
    return AgentConfig("a", "DEV", "m", "http://v", enable_tools=True, workspace_path=tmp_path)


def test_tools_need_an_agent_for_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="enable_tools: tool_agent is needed"):
        RayAgentExecutor(tool_config(tmp_path), cast(IResultPublisher, Publisher()), Model(), AsyncioExecutor())


def acting(request: VLLMRequest) -> Answer:
    """List the files, and report."""
    if "next_tool_name" not in json.dumps(request.json_schema):
        return {"reasoning": "r", "answer": "one file"}
    name = "finish" if "observation_0" in request.messages[-1].content else "list_files"
    return {"next_thought": "t", "next_tool_name": name, "next_tool_args": {}}


def with_tools(tmp_path: Path, model: FakeModel, **settings: Any) -> tuple[RayAgentExecutor, Publisher]:
    (tmp_path / "a.txt").write_text("text")
    config, publisher = tool_config(tmp_path), Publisher()
    agent = VLLMAgent(config, model, **settings)
    executor = RayAgentExecutor(config, cast(IResultPublisher, publisher), model, AsyncioExecutor(), tool_agent=agent)
    return executor, publisher


def test_an_agent_with_tools_answers_with_operations_and_an_audit_trail(tmp_path: Path) -> None:
    model = FakeModel(by=acting)
    executor, publisher = with_tools(tmp_path, model)
    found = executor.run("t1", "Count the files")
    assert (found["status"], found["answer"]) == ("completed", "one file")
    assert [(each["tool"], each["outcome"]) for each in found["operations"]] == [("list_files", "Succeeded")]
    assert found["artifacts"] == []
    assert [each["event"] for each in found["audit_trail"]] == ["ToolsListed", "OperationEnded"]
    assert "a.txt" in model.requests[-1].messages[-1].content
    published = publisher.calls[1][0]
    assert [each.tool for each in published.operations] == ["list_files"]


def test_without_a_model_an_agent_with_tools_fails_and_edits_nothing(tmp_path: Path) -> None:
    executor, _ = with_tools(tmp_path, FakeModel(ModelUnavailable("HTTP 503")), read_only=False)
    found = executor.run("t1", "Add hello world to src/utils.py")
    assert (found["status"], found["error_type"], found["operations"]) == ("failed", "ModelUnavailable", [])
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_an_agent_without_progress_fails_with_its_operations(tmp_path: Path) -> None:
    step = {"next_thought": "t", "next_tool_name": "list_files", "next_tool_args": {}}
    executor, _ = with_tools(tmp_path, FakeModel(step), max_iterations=2)
    found = executor.run("t1", "Count the files")
    assert (found["error_type"], found["retryable"], len(found["operations"])) == ("NoProgress", False, 2)


def test_an_agent_with_tools_ends_within_the_time_limit(tmp_path: Path) -> None:
    model = FakeModel(by=acting)
    model.hangs_from = 2
    executor, _ = with_tools(tmp_path, model)
    found = executor.run("t1", "Count the files", {"timeout": 0.5})
    assert (found["error_type"], len(found["operations"])) == ("DeadlineExceeded", 1)


def test_text_is_answered_without_the_agent_for_tools(tmp_path: Path) -> None:
    agent = VLLMAgent(tool_config(tmp_path), FakeModel("unused"))
    executor = RayAgentExecutor(
        CONFIG, cast(IResultPublisher, Publisher()), Model(), AsyncioExecutor(), tool_agent=agent
    )
    assert executor.run("t1", "Write a tree")["proposal"]["content"] == "class Tree: ..."


def test_an_agent_with_tools_travels_to_a_ray_worker(tmp_path: Path) -> None:
    client = VLLMHTTPClient(CONFIG.vllm_url, CONFIG.agent_id, str(CONFIG.role), CONFIG.model)
    agent = VLLMAgent(tool_config(tmp_path), client, tokens={"a": "token-text"})
    assert isinstance(pickle.loads(pickle.dumps(agent)), VLLMAgent)
    assert "token-text" not in repr(vars(agent))


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
