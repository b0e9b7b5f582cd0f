"""The program of `helm test` in the cluster. It fails if the operator or the broker's authentication is missing."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import nats
import pytest

from cognitive_operator.adapters.nats.broker_keys import OPERATOR_CREDENTIALS, SERVER_CONFIG, new_broker_keys
from servers.nats import NatsServer
from support.servers.nats_accounts import full_resolver, serve

pytestmark = pytest.mark.component

SCRIPT = Path(__file__).parents[3] / "charts" / "cognitive-operator" / "files" / "connected.py"
STREAMS = ("AGENT_REQUESTS", "AGENT_RESPONSES", "AGENT_DEAD_LETTERS", "KV_claims", "KV_lease")


class Metrics(BaseHTTPRequestHandler):
    """Answers every scrape."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def metrics() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Metrics) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()
        thread.join()


@pytest.fixture
def credentials(tmp_path: Path) -> dict[str, str]:
    """New keys, whose operator's credentials are in a file."""
    keys = new_broker_keys()
    (tmp_path / OPERATOR_CREDENTIALS).write_text(keys[OPERATOR_CREDENTIALS], encoding="ascii")
    return {**keys, "path": str(tmp_path / OPERATOR_CREDENTIALS)}


def run(*arguments: str) -> tuple[int, str]:
    script, changed = re.subn(r"^ATTEMPTS = \d+$", "ATTEMPTS = 2", SCRIPT.read_text(encoding="utf-8"), flags=re.M)
    assert changed == 1
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


async def lay_out(url: str, credentials: str | None = None) -> None:
    async with await nats.connect(url, user_credentials=credentials) as client:
        for name in STREAMS:
            await client.jetstream().add_stream(name=name, subjects=[name])


async def test_a_guarded_broker_with_its_streams_passes(
    metrics: str, credentials: dict[str, str], tmp_path: Path, nats_server: NatsServer
) -> None:
    with serve(tmp_path / "nats", credentials[SERVER_CONFIG] + full_resolver(tmp_path / "accounts")) as url:
        code, said = run(metrics, url, credentials["path"], "closed")
        assert (code, said.splitlines()[-1]) == (1, "the operator has not set up the broker")
        await lay_out(url, credentials["path"])
        code, said = run(metrics, url, credentials["path"], "closed")
    assert code == 0, said
    assert "the broker rejects clients without credentials" in said


async def test_a_broker_that_lets_in_strangers_fails(
    metrics: str, credentials: dict[str, str], tmp_path: Path, nats_server: NatsServer
) -> None:
    with NatsServer.start(tmp_path / "nats") as server:
        await lay_out(server.url)
        assert run(metrics, server.url)[0] == 0
        code, said = run(metrics, server.url, credentials["path"], "closed")
    assert (code, said.splitlines()[-1]) == (1, "the broker accepts clients without credentials")


def test_an_operator_that_does_not_answer_fails(nats_server: NatsServer) -> None:
    code, said = run("http://127.0.0.1:9/metrics", nats_server.url)
    assert code == 1
    assert "Connection refused" in said
