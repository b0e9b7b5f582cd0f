"""Serve applications without Ray: their values, the client, the health, and the settings of the server."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cognitive_runtime.__main__ import main
from cognitive_runtime.application.model_health import HealthyAnswers, ModelHealth, ModelName
from cognitive_runtime.bootstrap.http_server import read_token
from cognitive_runtime.cognitive_serve import CognitiveCoreClient, get_dspy_status
from cognitive_runtime.config import ConfigError
from cognitive_runtime.domain import CognitiveContext, CognitiveTaskType, InternalError
from cognitive_runtime.domain.finding import Finding, failed, passed
from cognitive_runtime.domain.serving import ServeSpec
from cognitive_runtime.llm_config import environment_without_keys
from support.fakes.clock import FakeClock


class Handle:
    """Handle that records its calls and answers, or raises."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.calls: list[tuple[Any, ...]] = []

    async def call(self, *arguments: Any) -> Any:
        self.calls.append(arguments)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def client(handle: Handle) -> CognitiveCoreClient:
    found = CognitiveCoreClient()
    found.__dict__["_handle"] = handle
    return found


async def test_the_client_sends_contexts_and_returns_results() -> None:
    handle = Handle({"success": True})
    calls = client(handle)
    await calls.reason_about_failure("a1", {"error": "e"})
    await calls.plan_task("a1", "t")
    await calls.make_decision("a1", {"options": []})
    await calls.solve_problem("a1", "p", {"cost": "low"}, ["tool"])
    await calls.synthesize_memory("a1", ["f"], "g")
    await calls.assess_capabilities("a1", {"tasks": 1}, None, {"score": 1})
    assert [each[0] for each in handle.calls] == ["answer"] * 6
    assert [each[1].task_type for each in handle.calls] == list(CognitiveTaskType)[:6]


async def test_a_call_whose_replicas_died_is_a_failed_result() -> None:
    result = await client(Handle(InternalError("The replicas died."))).plan_task("a1", "t")
    assert (result["success"], result["error_type"], result["retryable"]) == (False, "InternalError", True)
    assert (result["agent_id"], result["task_type"]) == ("a1", "task_planning")


async def test_without_ray_there_is_no_application() -> None:
    assert (await get_dspy_status())["serve_client_available"] is False


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": " "}, "name"),
        ({"route_prefix": "cognitive"}, "route_prefix: 'cognitive'"),
        ({"num_replicas": 0}, "num_replicas: 0"),
        ({"num_replicas": 2, "autoscaling_config": {}}, "exclude each other"),
        ({"autoscaling_config": {"min_replicas": 3, "max_replicas": 2}}, "min_replicas 3"),
        ({"max_ongoing_requests": 0}, "max_ongoing_requests: 0"),
    ],
)
def test_a_bad_application_is_named(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ServeSpec(**fields)


def test_resources_and_owner_of_an_application() -> None:
    assert ServeSpec().resources == {"num_cpus": 1, "num_gpus": 0, "memory": 2147483648}
    assert ServeSpec(ray_actor_options={"num_cpus": 2}).resources["num_cpus"] == 2
    assert (ServeSpec().deployment, ServeSpec(owner="team-b").deployment) == ("CognitiveCore", "CognitiveCore-team-b")


def test_no_key_of_the_environment_is_sent_to_replicas() -> None:
    keys = {"OPENAI_API_KEY": "k", "LLM_API_KEY": "k", "AZURE_OPENAI_API_KEY": "k"}
    assert environment_without_keys(keys | {"LLM_MODEL": "m", "PATH": "/bin"}) == {"LLM_MODEL": "m"}


async def test_the_model_is_asked_once_per_interval() -> None:
    clock, findings = FakeClock(), [passed("ok"), failed("no answer", "check it")]
    asked: list[Finding] = []

    async def ask() -> Finding:
        asked.append(findings[len(asked)])
        return asked[-1]

    health = ModelHealth(ModelName("m", "p"), ask, clock, interval_s=30)
    found = await asyncio.gather(health.check(), health.check())
    assert ([each["status"] for each in found], len(asked)) == (["healthy", "healthy"], 1)
    clock.advance(31)
    ill = await health.check()
    assert (ill["status"], ill["error"], ill["remedy"]) == ("unhealthy", "no answer", "check it")


class Answers:
    """Core with a fixed result."""

    def __init__(self, result: dict[str, Any]) -> None:
        self.result = result

    async def answer(self, context: CognitiveContext, *, stream: bool = False) -> dict[str, Any]:
        return self.result


@pytest.mark.parametrize(
    ("result", "status"), [({"success": True}, "healthy"), ({"success": True, "cache_hit": True}, "unhealthy")]
)
async def test_an_answer_of_the_model_is_health(result: dict[str, Any], status: str) -> None:
    async def ask() -> Finding:
        return failed("no answer", "")

    health = ModelHealth(ModelName("m", "p"), ask, FakeClock())
    context = CognitiveContext("a1", CognitiveTaskType.FAILURE_ANALYSIS, {"error": "e"})
    await HealthyAnswers(Answers(result), health).answer(context)
    assert (await health.check())["status"] == status


def test_the_token_comes_from_the_file_first(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert read_token({}) is None
    assert read_token({"COGNITIVE_HTTP_TOKEN": "plain"}) == "plain"
    assert read_token({"COGNITIVE_HTTP_TOKEN": "plain", "COGNITIVE_HTTP_TOKEN_FILE": str(file)}) == "from-file"


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"COGNITIVE_HTTP_TOKEN_FILE": "/absent"}, "COGNITIVE_HTTP_TOKEN_FILE: /absent cannot be read"),
        ({"COGNITIVE_HTTP_TOKEN": ""}, "COGNITIVE_HTTP_TOKEN: the token must be"),
        ({"COGNITIVE_HTTP_TOKEN": "with space"}, "without spaces"),
    ],
)
def test_a_bad_token_is_named_without_its_text(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        read_token(environ)
    assert "with space" not in str(caught.value)


def test_an_open_server_needs_a_token(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COGNITIVE_HTTP_TOKEN", raising=False)
    assert main(["serve", "--host", "0.0.0.0"]) == 2
    assert "--host 0.0.0.0 is reachable from other machines" in capsys.readouterr().err


def test_a_server_without_a_model_names_the_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert main(["serve"]) == 2
    assert "OPENAI_API_KEY is not set" in capsys.readouterr().err
