"""The scripted model, and a core that speaks to it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.dspy import CognitiveCore
from cognitive_runtime.adapters.model import ModelPool
from cognitive_runtime.application import ExecuteAgentTask
from cognitive_runtime.domain import AgentResult, CognitiveTaskType, CredentialsNotMounted, FailureResult
from support.builders.runtime_requests import Run, execution_request
from support.event_loops import uvloop_only
from support.servers.scripted_model import ScriptedModel

pytest_asyncio_loop_factories = uvloop_only


@pytest.fixture(scope="session")
def model_server() -> Iterator[ScriptedModel]:
    """One server for all tests."""
    with ScriptedModel() as server:
        yield server


@pytest.fixture
def model(model_server: ScriptedModel) -> ScriptedModel:
    """The server without scripts and records of other tests."""
    model_server.reset()
    return model_server


@pytest.fixture(scope="session")
def second_server() -> Iterator[ScriptedModel]:
    """Server of another model, for all tests."""
    with ScriptedModel() as server:
        yield server


@pytest.fixture
def other(second_server: ScriptedModel) -> ScriptedModel:
    """The second server without scripts and records of other tests."""
    second_server.reset()
    return second_server


@pytest.fixture
def secrets() -> dict[tuple[str, str], str]:
    """Contents of the mounted files by agent UID and name."""
    return {}


@pytest_asyncio.fixture
async def pool(secrets: dict[tuple[str, str], str]) -> AsyncIterator[ModelPool]:
    """The model servers of this process."""

    def read_secret(agent_uid: str, name: str) -> str:
        if (agent_uid, name) not in secrets:
            raise CredentialsNotMounted(f"The file {name} is not mounted.")
        return secrets[agent_uid, name]

    found = ModelPool(read_secret)
    yield found
    await found.close()


@pytest.fixture
def run(model: ScriptedModel, pool: ModelPool) -> Run:
    """Run one attempt against the scripted model and return its outcome."""
    execute = ExecuteAgentTask(CognitiveCore(pool), SystemClock())

    async def run_one(
        task_type: CognitiveTaskType = CognitiveTaskType.FAILURE_ANALYSIS, **fields: Any
    ) -> AgentResult | FailureResult:
        request = execution_request(task_type, **({"endpoint": model.url} | fields))
        return await execute(request, worker="w1", submission_id="s1")

    return run_one
