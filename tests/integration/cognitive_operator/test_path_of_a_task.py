"""The source files that one task passes through are those of docs/architecture.md, and few enough to read."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controlplane import ControlPlane, Kubectl
from servers.nats import NatsServer
from servers.process import ChildProcess, Command, environment
from support.builders.cognitive_objects import Cluster, agent, task
from support.eventually import eventually_async
from support.servers.http_double import HttpDouble
from support.servers.played_executor import PlayedExecutor, PlayedRay, played_executor

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "architecture.md"
FILES_MAX = 15
NOT_COUNTED = ("adapters/", "api/", "ports/", "errors.py")
TASKS = 3
"""A response that arrives while its task is being reconciled for another reason is recorded for the next task."""


def steps(heading: str) -> set[str]:
    """Return the operator's files in the numbered steps below a heading of the page."""
    _, _, text = PAGE.read_text(encoding="utf-8").partition(f"\n### {heading}\n")
    lines = [line for line in text.partition("\n#")[0].splitlines() if re.match(r"\d+\. ", line)]
    return {name for line in lines for name in re.findall(r"`([\w/]+\.py)`", line)}


@pytest.fixture
def broker() -> AsyncIterator[NatsServer]:
    with NatsServer.start() as server:
        yield server


async def recorded(plane: ControlPlane, kubectl: Kubectl, broker: NatsServer, out: Path) -> dict[str, set[str]]:
    """Run the operator and tasks until the path of one is recorded; return its files by part."""
    path = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    env = environment(
        PYTHONPATH=path,
        KUBECONFIG=str(plane.kubeconfig_path),
        COGNITIVE_NATS_URL=broker.url,
        COGNITIVE_WATCH_NAMESPACES=str(kubectl.namespace),
        COGNITIVE_HEALTH_PORT="0",
        COGNITIVE_METRICS_PORT="0",
    )
    argv = [sys.executable, "-m", "support.cluster.task_path", str(out)]
    operator = ChildProcess(Command("operator", argv, out.with_suffix(".log"), env))
    try:
        async with HttpDouble().serve() as http:
            await run_tasks(Cluster(kubectl), PlayedRay(http), broker, out)
    finally:
        await asyncio.to_thread(operator.stop)
    return {part: set(files) for part, files in json.loads(out.read_text(encoding="utf-8")).items()}


async def run_tasks(cluster: Cluster, ray: PlayedRay, broker: NatsServer, out: Path) -> None:
    await asyncio.to_thread(cluster.apply, agent("thinker", ray.url, f"{ray.url}/v1"))
    submission_id = await eventually_async(lambda: asyncio.sleep(0, ray.submission_id), 30)
    uid = (await asyncio.to_thread(cluster.get, "cagent", "thinker"))["metadata"]["uid"]
    async with played_executor(broker.url, uid, submission_id) as executor:
        await asyncio.to_thread(cluster.wait_ready, "thinker")
        for number in range(TASKS):
            await run_task(cluster, executor, f"task-{number}")
            if out.exists():
                return


async def run_task(cluster: Cluster, executor: PlayedExecutor, name: str) -> None:
    await asyncio.to_thread(cluster.apply, task(name, "thinker"))
    request = await executor.claim(20)
    await asyncio.to_thread(cluster.wait_phase, name, "Running")
    await executor.answer(request)
    await asyncio.to_thread(cluster.wait_phase, name, "Succeeded")


async def test_a_task_passes_through_the_files_of_the_page(
    control_plane: ControlPlane,
    crds: None,
    without_operator: None,
    kubectl: Kubectl,
    broker: NatsServer,
    tmp_path: Path,
) -> None:
    parts = await recorded(control_plane, kubectl, broker, tmp_path / "path.json")
    read = {part: {name for name in files if not name.startswith(NOT_COUNTED)} for part, files in parts.items()}
    assert read["request"] == steps("From the watch event to the request")
    assert read["status"] == steps("From the response to the status")
    assert len(read["request"] | read["status"]) <= FILES_MAX
