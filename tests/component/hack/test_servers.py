"""The servers that the other tests stand on."""

import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any

import nats
import pytest

from servers.nats import NatsServer
from servers.ray_head import RayHead
from support.eventually import eventually

pytestmark = pytest.mark.component


async def publish_and_count(url: str) -> int:
    client = await nats.connect(url)
    try:
        stream = client.jetstream()
        await stream.add_stream(name="KEPT", subjects=["kept"])
        await stream.publish("kept", b"")
        return (await stream.stream_info("KEPT")).state.messages
    finally:
        await client.close()


async def test_a_killed_nats_server_comes_back_with_its_port_and_store(tmp_path: Path) -> None:
    with NatsServer.start(tmp_path / "nats") as server:
        url = server.url
        assert await publish_and_count(url) == 1
        server.kill()
        server.resume()
        assert server.url == url
        assert await publish_and_count(url) == 2
        server.stop()
        server.resume()
        assert await publish_and_count(url) == 3


def call(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


@pytest.mark.ray_extended
def test_a_ray_job_runs_in_this_environment_with_the_owners_folders(ray_head: RayHead) -> None:
    jobs = f"{ray_head.address}/api/jobs/"
    names = ["COGNITIVE_SECRETS_DIR", "COGNITIVE_SPOOL_DIR", "RAY_ADDRESS"]
    script = f"import os, sys; print(sys.executable, *(os.environ[n] for n in {json.dumps(names)}))"
    call(jobs, {"entrypoint": f"python -c '{script}'", "submission_id": "environment"})
    eventually(lambda: call(f"{jobs}environment")["status"] in ("SUCCEEDED", "FAILED"), timeout_s=60, interval_s=0.2)
    python, *values = call(f"{jobs}environment/logs")["logs"].splitlines()[-1].split()
    assert os.path.realpath(python) == os.path.realpath(sys.executable)
    assert Path(python).parent == Path(sys.executable).parent
    assert values == [str(ray_head.secrets_directory), str(ray_head.spool_directory), ray_head.gcs_address]


@pytest.mark.ray_extended
def test_ray_stands_on_the_loopback_address_alone(ray_head: RayHead) -> None:
    nodes = call(f"{ray_head.address}/nodes?view=summary")["data"]["summary"]
    assert [node["ip"] for node in nodes] == ["127.0.0.1"]
