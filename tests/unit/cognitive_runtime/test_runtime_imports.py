"""Modules that the runtime imports, measured in a fresh interpreter."""

import subprocess
import sys

import pytest

FORBIDDEN_IN_DOMAIN = ("ray", "nats", "dspy", "openai", "pydantic", "asyncio", "httpx", "aiohttp", "litellm")


def loaded_after(statement: str, names: tuple[str, ...]) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_the_domain_loads_no_framework() -> None:
    assert loaded_after("import cognitive_runtime.domain", FORBIDDEN_IN_DOMAIN) == set()


@pytest.mark.timeout(60)
def test_a_core_that_answers_by_any_provider_loads_no_litellm() -> None:
    statement = """
import asyncio, sys
from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.dspy import CognitiveCore
from cognitive_runtime.adapters.model import ModelPool
from cognitive_runtime.application import ExecuteAgentTask
sys.path.insert(0, "tests")
from support.builders.runtime_requests import execution_request
from support.servers.scripted_model import ScriptedModel
async def main(url):
    pool = ModelPool(lambda agent_uid, name: "key")
    execute = ExecuteAgentTask(CognitiveCore(pool), SystemClock())
    for provider in ("vllm", "openaiCompatible", "openai", "azure", "anthropic", "google"):
        request = execution_request(endpoint=url, llm={"provider": provider})
        outcome = await execute(request, worker="w", submission_id="s")
        assert (outcome.success, outcome.provider) == (True, provider), outcome
    await pool.close()
with ScriptedModel() as model:
    asyncio.run(main(model.url))
"""
    assert loaded_after(statement, ("litellm", "dspy", "ray", "redis")) == {"dspy"}


@pytest.mark.timeout(60)
def test_the_first_task_of_a_loaded_core_imports_nothing() -> None:
    code = """
import asyncio, logging, sys
from cognitive_runtime.bootstrap.reasoning import make_cognitive_core
from cognitive_runtime.config import RuntimeSettings
sys.path.insert(0, "tests")
from support.builders.runtime_requests import execution_request
from support.servers.scripted_model import ScriptedModel
core = make_cognitive_core(RuntimeSettings("nats://127.0.0.1:1", "none"))
with ScriptedModel() as model:
    request, before = execution_request(endpoint=model.url), set(sys.modules)
    asyncio.run(core.reason(request))
assert not logging.getLogger("dspy.clients.lm").isEnabledFor(logging.WARNING)
print(*sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    "statement",
    [
        "import cognitive_runtime.__main__, cognitive_runtime.bootstrap.hosted, cognitive_runtime.bootstrap.executor",
        "from cognitive_runtime.bootstrap.reasoning import make_cognitive_core\n"
        "from cognitive_runtime.config import RuntimeSettings\n"
        "make_cognitive_core(RuntimeSettings('nats://127.0.0.1:1', 'none'))",
        "import cognitive_runtime.cognitive_core, cognitive_runtime.cognitive_serve, cognitive_runtime.ray_agent",
        "import cognitive_runtime.bootstrap.http_server",
    ],
)
def test_an_embedded_start_loads_neither_serve_nor_the_http_api_nor_kubernetes(statement: str) -> None:
    web = ("fastapi", "starlette", "uvicorn", "ray.serve", "cognitive_runtime.adapters.http.app", "mcp", "mcp_types")
    names = (*web, "kubernetes", "cognitive_runtime.adapters.kube", "cognitive_runtime.bootstrap.cluster")
    assert loaded_after(statement, names) == set()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("tools", "is_used"), [("None", "False"), ("ToolSettings(workspace=Workspace('EmptyDir'))", "True")]
)
def test_an_attempt_without_servers_imports_nothing_of_mcp(tools: str, is_used: str) -> None:
    """An attempt without tools also allocates no memory in the code of tools."""
    code = f"""
import asyncio, sys, tracemalloc
from cognitive_runtime.bootstrap.reasoning import make_cognitive_core
from cognitive_runtime.config import RuntimeSettings
from cognitive_runtime.domain import ReasoningError, ToolSettings, Workspace
sys.path.insert(0, "tests")
from support.builders.runtime_requests import execution_request
core = make_cognitive_core(RuntimeSettings("nats://127.0.0.1:1", "none"))
async def attempts():
    for number in range(2):
        try:
            await core.reason(execution_request(tools={tools}))
        except ReasoningError as error:
            assert error.error_type == "ModelUnavailable", error
        if number == 0:  # the first one loads what the core needs
            tracemalloc.start()
asyncio.run(attempts())
own = [tracemalloc.Filter(True, pattern) for pattern in ("*/adapters/tools/*", "*/application/tool_run.py", "*/mcp/*")]
allocated = sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(own).traces)
print(allocated > 0)
print(*sorted(name for name in sys.modules if name.partition(".")[0] in ("mcp", "mcp_types", "starlette", "uvicorn")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [is_used]


STARTS = {
    "attempt": "from cognitive_runtime.bootstrap.job import run_attempt",
    "executor": "from cognitive_runtime.bootstrap.executor import ExecutorWorker, run_executor",
}
UNUSED = ("ray", "litellm", "numpy", "redis", "fastapi", "openai._vendor.httpx_aiohttp")
SECONDS_LATER = ("dspy", "openai", "requests")
NEVER_RUN = ("aiohttp", "openai.types", "openai.types.responses", "openai.types.shared", "requests")
"""Imported in a thread, while the process connects and claims."""


@pytest.mark.parametrize("command", STARTS)
def test_a_process_imports_neither_dspy_nor_openai_nor_ray_before_it_connects(command: str) -> None:
    statement = f"""
from cognitive_runtime.__main__ import begin_imports
begin_imports()
{STARTS[command]}
"""
    assert loaded_after(statement, UNUSED + SECONDS_LATER) == set()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("command", STARTS)
def test_a_loaded_process_has_run_no_package_that_its_first_task_does_not_use(command: str) -> None:
    code = f"""
import asyncio, gc, sys
from cognitive_runtime.__main__ import begin_imports, last_import
begin_imports()
assert not gc.isenabled()
{STARTS[command]}
from cognitive_runtime.bootstrap.quick_imports import wait_imports
from cognitive_runtime.bootstrap.reasoning import make_cognitive_core
from cognitive_runtime.adapters.deferred_imports import is_deferred
from cognitive_runtime.config import RuntimeSettings
core = last_import(make_cognitive_core)(RuntimeSettings("nats://127.0.0.1:1", "none"))
wait_imports()
assert gc.isenabled() and gc.get_freeze_count() > 100_000
print("ran:", *[name for name in {NEVER_RUN!r} if not is_deferred(name)])
sys.path.insert(0, "tests")
from support.builders.runtime_requests import execution_request
from support.servers.scripted_model import ScriptedModel
with ScriptedModel() as model:
    before = set(sys.modules)
    asyncio.run(core.reason(execution_request(endpoint=model.url)))
print("new:", *sorted(set(sys.modules) - before))
print("loaded:", *[name for name in {UNUSED!r} if name in sys.modules])
print("types:", sum(name.startswith("openai.types.") for name in sys.modules) < 150)
import aiohttp, requests, openai.types.responses
print("usable:", aiohttp.ClientSession.__name__, requests.Session.__name__, openai.types.responses.Response.__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    said = dict(line.split(":") for line in done.stdout.splitlines())
    usable = " ClientSession Session Response"
    assert said == {"new": "", "ran": "", "loaded": "", "types": " True", "usable": usable}
