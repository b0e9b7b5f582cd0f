"""The sidecar of the end-to-end tests: started by the command that the operator puts into the pod."""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.config import Config
from cognitive_operator.desired.ray_cluster import desired_ray_cluster
from cognitive_operator.desired.tools import tool_settings
from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.tools.git import CLONE_S
from cognitive_runtime.adapters.tools.server.settings import ToolServerSettings
from cognitive_runtime.adapters.tools.toolbox import Toolboxes
from cognitive_runtime.application import ToolRun
from cognitive_runtime.bootstrap.tool_server import add_tool_server, tool_server_settings
from cognitive_runtime.domain import NoSideEffects, ToolServer, ToolSettings
from servers.ports import free_ports
from servers.probe import listens
from support.builders.crd_schema import EXAMPLES, part, strict
from support.builders.operator_objects import agent_body, task_body
from support.builders.runtime_requests import execution_request
from support.builders.tool_sidecars import bench, handy_agent, sidecar
from support.eventually import eventually

pytestmark = pytest.mark.component
CANARY = "canary-e0a2"
TOKEN_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"


def agent_with(*servers: dict[str, Any]) -> Agent:
    """Return the agent of the end-to-end tests, with other servers if some are given."""
    spec = handy_agent("handy", "http://model/v1", "model-key")["spec"]
    if servers:
        spec["tools"]["servers"] = list(servers)
    return Agent.model_validate(agent_body(**spec))


def container_of(agent: Agent) -> dict[str, Any]:
    """Return the sidecar's container in the head of the agent's RayCluster."""
    assert agent.spec.ray.cluster is not None
    cluster = desired_ray_cluster(agent, agent.spec.ray.cluster, "runtime:1")
    containers = cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"]
    (found,) = [each for each in containers if each["name"] == "tool-desk"]
    return dict(found)


@contextmanager
def started(command: list[str], home: Path) -> Iterator[None]:
    """Run the command of a sidecar with the environment of its image, and nothing else."""
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(home)}
    process = subprocess.Popen(command, env=environment, cwd=home, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


def test_the_agent_of_the_end_to_end_tests_fits_the_crd() -> None:
    manifest = handy_agent("handy", "http://model/v1", "model-key")
    jsonschema.validate(manifest["spec"], strict(part("CognitiveAgent", "spec")))


def test_the_container_has_the_command_and_nothing_of_the_agent() -> None:
    found = container_of(agent_with())
    assert found["command"] == sidecar()["command"]
    assert "env" not in found
    assert {each["mountPath"] for each in found["volumeMounts"]} == {"/tmp", TOKEN_DIR}


def settings_of(server: dict[str, Any]) -> ToolServerSettings:
    """Return the settings that the command of a sidecar with the project's own tools reads."""
    assert server["command"][:2] == ["cognitive-runtime", "tool-server"]
    parser = argparse.ArgumentParser()
    add_tool_server(parser, int)
    return tool_server_settings(parser, parser.parse_args(server["command"][2:]))


def test_the_command_of_the_example_is_accepted_and_fits_its_server() -> None:
    agent, _ = yaml.safe_load_all((EXAMPLES / "managed" / "tools.yaml").read_text(encoding="utf-8"))
    (server,) = agent["spec"]["tools"]["servers"]
    found = settings_of(server)
    assert server["image"] == Config.runtime_image
    assert (found.port, found.workspace.kind, found.workspace.read_only) == (server["port"], "Git", False)
    assert server["timeoutSeconds"] >= found.test_timeout_s + CLONE_S


def test_the_bench_of_the_end_to_end_tests_is_accepted_and_fits_its_server() -> None:
    found = settings_of(bench())
    assert found.port == bench()["port"]
    assert found.tests == {"answer": ("python", "-c", "print(7 ** 7)")}


async def test_the_command_of_the_pod_serves_the_tools_at_the_address_of_the_request(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    journal, place = tmp_path / "journal", tmp_path / "place"
    place.mkdir()
    (place / "key").write_text(f"the key: {CANARY}")
    os.mkfifo(place / "pipe")
    agent = agent_with(sidecar(port, str(journal), (str(tmp_path),)))
    task = Task.model_validate(task_body(tools={"enabled": True}))
    settings = tool_settings(task, agent)
    assert settings is not None
    (server,) = settings.servers
    own = ToolSettings((ToolServer(server.name, server.url, tuple(server.allow)),))
    request = execution_request(tools=own)
    run = ToolRun(request, own, Toolboxes(lambda *_: "").open(request), NoSideEffects(), SystemClock())
    with started(container_of(agent)["command"], place):
        eventually(listens(port), 30.0)
        await run.open()
        assert {name: each.has_side_effects for name, each in run.tools.items()} == {"note": True, "hunt": False}
        assert await run.call("note", {"text": "mark-77"}) == {"answer": "noted"}
        assert journal.read_text() == "mark-77\n"
        found = [(await run.call("hunt", {"text": text}))["answer"] for text in ("mark-77", CANARY, "absent-41")]
        assert [each.partition(" of ")[0] for each in found] == ["1", "1", "0"]
        assert int(found[0].partition(" of ")[2]) > 2
        await run.close()
