"""Executors that lie in signed responses, and texts from outside that the API server refuses in a status."""

import asyncio
import base64
import json
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import nats
import pytest
from nats.js.errors import NotFoundError

from cognitive_operator.api.wire import SIGNATURE_HEADER, sign
from servers.nats import NatsServer
from servers.operator import OperatorProcess
from support.builders.cognitive_objects import Cluster, agent, task
from support.eventually import eventually
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
GOLDEN = Path(__file__).parents[3] / "contract" / "wire"
POISON: dict[str, dict[str, Any]] = {
    "time": {"started_at": "yesterday"},
    "tokens": {"usage": {"prompt_tokens": 10**30, "completion_tokens": 0, "total_tokens": 10**30}},
    "result": {"result": {"text": "x" * 100_000}},
}
REMEDY = (
    "Read it with `nats stream view AGENT_DEAD_LETTERS`, and run the operator's version of the runtime on the nodes of "
    "Ray."
)
VERSION = "2.60\x00" + "x" * 50_000
TIMES = {"started_at": "2026-11-21T02:00:00Z", "timestamp": "2026-11-21T02:00:01Z"}


class IdleRay(BaseHTTPRequestHandler):
    """A Ray dashboard whose jobs run for ever and do nothing, and whose version is no text for a status."""

    def do_GET(self) -> None:
        job = {"submission_id": self.path.rsplit("/", 1)[-1], "status": "RUNNING"}
        self._answer({"ray_version": VERSION} if self.path == "/api/version" else job)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer({})

    def _answer(self, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Log nothing."""


@pytest.fixture
def idle_ray() -> Iterator[str]:
    """The URL of an idle Ray."""
    with ThreadingHTTPServer(("127.0.0.1", 0), IdleRay) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(5)


def lie(nats_url: str, body: dict[str, Any], agent_uid: str, poison: dict[str, Any]) -> bool:
    """Answer the first attempt of a task with a signed poison and end its claim; False if it has no request yet."""
    namespace, uid = body["metadata"]["namespace"], body["metadata"]["uid"]
    who = {"namespace": namespace, "task_name": body["metadata"]["name"], "task_uid": uid, "agent_uid": agent_uid}
    subject = f"{namespace}.{agent_uid}.{uid}.1"
    claim = json.loads((GOLDEN / "claim.json").read_bytes()) | {"mode": "Job", "state": "ended"}
    golden = json.loads((GOLDEN / "completed.json").read_bytes())
    content = json.dumps(golden | TIMES | who | {"mode": "Job", "attempt": 1} | poison).encode()

    async def publish() -> bool:
        async with await nats.connect(nats_url) as client:
            stream = client.jetstream()
            try:
                request = await stream.get_last_msg("AGENT_REQUESTS", f"agent.request.{subject}")
            except NotFoundError:
                return False
            key = bytes.fromhex(json.loads(request.data or b"")["attempt_key"])
            answer = f"agent.response.completed.{subject}"
            await stream.publish(answer, content, headers={SIGNATURE_HEADER: sign(key, answer, content)})
            await stream.publish(f"$KV.claims.{agent_uid}.{uid}.1", json.dumps(claim).encode())
            return True

    return asyncio.run(publish())


def test_a_poison_response_is_a_dead_letter_and_ends_its_attempt_and_its_agent_still_reports(
    cluster: Cluster,
    model: ScriptedModel,
    idle_ray: str,
    nats_server: NatsServer,
    operator_process: OperatorProcess,
) -> None:
    before = len(tracebacks(operator_process))
    cluster.apply(
        agent("liar", idle_ray, model.url, execution={"mode": "Job"}, queue={"maxConcurrentTasks": 8}),
        *(task(name, "liar", retryPolicy={"maxRetries": 0}) for name in POISON),
    )
    cluster.wait_ready("liar")
    assert cluster.condition("liar", "RayReady")[2].startswith("Ray 2.60\ufffdxxx")
    uid = cluster.get("cagent", "liar")["metadata"]["uid"]
    for name, poison in POISON.items():
        body = cluster.get("ctask", name)
        eventually(partial(lie, nats_server.url, body, uid, poison), 20.0, 0.2)
    for name in POISON:
        status = cluster.wait_phase(name, "Failed", 20.0)
        assert status["reason"] == "ResponseInvalid"
        assert "which is kept as a dead letter" in status["message"]
        assert status["message"].endswith(REMEDY)
        assert [each["errorType"] for each in status["attempts"]] == ["ResponseInvalid"]
    eventually(lambda: cluster.get("cagent", "liar")["status"]["tasksProcessed"] == len(POISON), 20.0, 0.2)
    cluster.patch("cagent", "liar", {"spec": {"suspend": True}})
    cluster.wait_condition("liar", "Ready", "Suspended")
    assert asyncio.run(letters(nats_server.url, uid)) == len(POISON)
    assert len(tracebacks(operator_process)) == before


def test_a_key_that_is_not_utf8_is_told_by_a_new_agent(
    cluster: Cluster, model: ScriptedModel, idle_ray: str, operator_process: OperatorProcess
) -> None:
    before = len(tracebacks(operator_process))
    key = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}}
    cluster.apply(key | {"data": {"api-key": base64.b64encode(b"\xff\xfe").decode()}})
    ref = {"apiKeySecretRef": {"name": "key", "key": "api-key"}}
    cluster.apply(agent("keyed", idle_ray, model.url, execution={"mode": "Job"}, llm=ref))
    status, message = cluster.wait_condition("keyed", "ModelReady", "SecretInvalid")
    assert (status, message.endswith("is not UTF-8; write the key into the Secret as UTF-8 text.")) == ("False", True)
    assert len(tracebacks(operator_process)) == before


async def letters(nats_url: str, agent_uid: str) -> int:
    """Return the number of an agent's dead letters."""
    async with await nats.connect(nats_url) as client:
        found = await client.jetstream().stream_info(
            "AGENT_DEAD_LETTERS", subjects_filter=f"agent.dead_letter.completed.*.{agent_uid}.>"
        )
        return sum((found.state.subjects or {}).values())


def tracebacks(operator_process: OperatorProcess) -> list[str]:
    return [line for line in operator_process.log_path.read_text().splitlines() if "traceback" in line]
