"""A CognitiveSignature and the same signature in Python: the same prompt and the same answer, by the examples."""

import asyncio
import json
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.signatures import Signature
from cognitive_operator.desired.request import desired_request
from cognitive_operator.desired.signature import desired_snapshot
from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.dspy import CognitiveCore
from cognitive_runtime.adapters.model import ModelPool
from cognitive_runtime.adapters.wire import parse_request
from cognitive_runtime.application import ExecuteAgentTask
from cognitive_runtime.domain.generation import DEFAULT_TEMPERATURE
from support.builders.cognitive_objects import agent
from support.builders.runtime_requests import completed
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
EXAMPLES = Path(__file__).parents[4] / "examples"
KEY = AttemptKey("a-uid", "t-uid", 1)
NOW = "2026-11-28T00:00:01Z"
WITHOUT_COUNTERS: dict[str, Any] = {"energy": {}, "lifecycle": {}, "memory": {}}
ANSWER = {"severity": "high", "affected": {"service": "checkout", "symptom": "errors"}, "first_steps": ["Look."]}


def stored(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object as the API server stores it."""
    set_there = {"namespace": "shop", "uid": "u", "generation": 3, "creationTimestamp": NOW}
    return {**manifest, "metadata": {**manifest["metadata"], **set_there, "resourceVersion": "1"}}


def example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    return stored(found)


def request_of_operator(model: ScriptedModel) -> bytes:
    """Return the request of the task of ``25-custom.yaml``, for an agent without a prompt of its own."""
    task = example("25-custom.yaml")
    task["spec"]["context"] = WITHOUT_COUNTERS
    llm = {"temperature": DEFAULT_TEMPERATURE, "topP": 1.0, "maxRetries": 3}
    plain = stored(agent("sre", "http://ray:8265", f"{model.url}/v1", llm=llm))
    body = desired_request(Task.model_validate(task), Agent.model_validate(plain), KEY, b"k" * 32, NOW)
    snapshot = desired_snapshot(Signature.model_validate(example("15-signature.yaml")))
    return body.model_copy(update={"signature": snapshot}).model_dump_json().encode()


async def asked_by_operator(model: ScriptedModel, pool: ModelPool) -> Any:
    """Return the result of the request that the operator sends."""
    execute = ExecuteAgentTask(CognitiveCore(pool), SystemClock())
    outcome = completed(await execute(parse_request(request_of_operator(model)), worker="w", submission_id="s"))
    return outcome.result


async def asked_by_program(model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run ``examples/python/custom.py``, which registers the same manifest."""
    for name, text in {"LLM_PROVIDER": "local", "LLM_MODEL": "sre", "LLM_API_BASE": model.url}.items():
        monkeypatch.setenv(name, text)
    await asyncio.to_thread(runpy.run_path, str(EXAMPLES / "python" / "custom.py"))


async def test_calls_and_answers_of_a_custom_task_and_of_the_program_are_equal(
    model: ScriptedModel, pool: ModelPool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole bodies of the calls are equal, prompts byte by byte; the prompt has both demonstrations."""
    model.script(content=json.dumps(ANSWER))
    assert await asked_by_operator(model, pool) == ANSWER
    await asked_by_program(model, monkeypatch)
    assert capsys.readouterr().out == f"{ANSWER['severity']} {ANSWER['affected']}\n"
    of_operator, of_program = (json.dumps(each.body, ensure_ascii=False).encode() for each in model.requests)
    assert of_operator == of_program
    assert [each["role"] for each in model.requests[0].body["messages"]].count("assistant") == 2
    assert b"Checkout answers with status 500" in of_program
