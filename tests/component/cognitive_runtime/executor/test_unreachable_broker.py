"""Jobs that cannot reach the broker say so and end by an exit status of its own."""

import asyncio
import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from cognitive_runtime.adapters.nats.connection import BrokerConnection, BrokerSettings
from servers.nats import NatsServer
from servers.ports import free_ports
from support.cluster.ray_submissions import RaySubmissions
from support.eventually import LIMIT_S
from support.servers.guarded_broker import guarded_broker
from support.servers.wire_broker import Attempt

pytestmark = pytest.mark.component
WAIT_S = "0.4"
END_S = 120
"""Limit of the wait for a process that imports all of the runtime first, which takes seconds of CPU."""


async def run_attempt(nats_url: str, agent: str, secrets: Path) -> tuple[int | None, list[dict[str, Any]]]:
    """Run the process of an attempt; return its exit status and its log."""
    environment = {
        "COGNITIVE_NATS_URL": nats_url,
        "COGNITIVE_SUBMISSION_ID": "ct-1",
        "COGNITIVE_SECRETS_DIR": str(secrets),
        "COGNITIVE_BROKER_WAIT_S": WAIT_S,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cognitive_runtime", "attempt", Attempt(agent).request_subject),
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), END_S)
    return process.returncode, [json.loads(line) for line in output.decode().splitlines()]


async def test_an_attempt_names_the_broker_that_it_cannot_reach_and_ends_with_6(agent: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    code, log = await run_attempt(f"nats://user:s3cr3t@127.0.0.1:{port}", agent, tmp_path)
    assert code == 6
    told = [line["message"] for line in log if line.get("event") == "BrokerUnreachable"]
    assert told[-1] == f"No connection to the broker at nats://127.0.0.1:{port}: Connection refused."
    assert "s3cr3t" not in str(log)


async def test_an_attempt_names_the_credentials_that_it_lacks_and_ends_with_7(
    nats_server: NatsServer, agent: str, tmp_path: Path
) -> None:
    async with guarded_broker(tmp_path / "broker") as broker:
        code, log = await run_attempt(broker.url, agent, tmp_path / "secrets")
    assert code == 7
    told = [line["message"] for line in log if line.get("event") == "CredentialsNotMounted"]
    assert str(tmp_path / "secrets" / agent / "nats.creds") in told[-1]
    assert str(tmp_path / "secrets" / f"{agent}.nats.creds") in told[-1]


async def test_an_executor_ends_with_6_once_no_worker_has_reached_the_broker(agent: str, jobs: RaySubmissions) -> None:
    (port,) = free_ports(1)
    submission_id = f"ca-{agent}-1a2b3c4d-1"
    url = f"nats://127.0.0.1:{port}"
    arguments = (agent, url, submission_id, "--workers 2")
    await asyncio.to_thread(lambda: jobs.executor(*arguments, COGNITIVE_BROKER_WAIT_S=WAIT_S))
    job = await asyncio.to_thread(jobs.wait, submission_id)
    assert (job["status"], job["driver_exit_code"]) == ("FAILED", 6)
    assert f"No connection to the broker at {url}: Connection refused." in job["message"], "lines of workers may follow"


async def test_a_connection_that_was_made_once_never_gives_up(nats_server: NatsServer) -> None:
    with NatsServer.start() as server:
        connection = BrokerConnection(BrokerSettings(server.url, str(uuid.uuid4()), "w", wait_s=1.0))
        giving_up = asyncio.create_task(connection.wait_given_up())
        await asyncio.wait_for(connection.wait_connected(), LIMIT_S)
    done, _ = await asyncio.wait({giving_up}, timeout=2.5)
    assert (done, connection.is_connected, connection.given_up) == (set(), False, None)
    giving_up.cancel()
    await connection.close()
