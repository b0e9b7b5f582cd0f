"""Ray, the model and one executor, played by the test: the operator sees a ready agent without a Ray process."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import nats
from nats.errors import TimeoutError as NoMessage
from nats.js.client import JetStreamContext

from support.servers.http_double import HttpDouble, Reply

GOLDEN: Final = Path(__file__).parents[2] / "contract" / "wire"
LEASE_EVERY_S: Final = 2.0
WORKER: Final = "ca-w0-played"


class PlayedRay:
    """Answers the Jobs API of Ray and the list of models, on one URL."""

    def __init__(self, http: HttpDouble) -> None:
        self.url = http.url
        self.submission_id = ""
        """Of the executor, once the operator has submitted it."""
        http.answer_by(self._answer)

    def _answer(self, method: str, path: str, content: Any) -> Reply | None:
        if path == "/v1/models":
            return Reply(json={"object": "list", "data": []})
        if path == "/api/version":
            return Reply(json={"ray_version": "2.60.0"})
        if (method, path) == ("POST", "/api/jobs/"):
            self.submission_id = content["submission_id"]
            return Reply(json={"submission_id": self.submission_id})
        job = {"submission_id": self.submission_id, "status": "RUNNING", "type": "SUBMISSION"}
        return Reply(json=[job] if self.submission_id else []) if path == "/api/jobs/" else None


class PlayedExecutor:
    """Claims the requests of one agent and answers them, as docs/reference/wire.md says."""

    def __init__(self, jetstream: JetStreamContext, agent_uid: str, submission_id: str) -> None:
        self._jetstream = jetstream
        self._agent = {"agent_uid": agent_uid, "worker": WORKER, "submission_id": submission_id}
        self._uid = agent_uid

    async def renew_lease(self) -> None:
        """Renew the lease until cancelled."""
        while True:
            await self._put(f"$KV.lease.{self._uid}.{WORKER}", _golden("lease") | self._agent | {"renewed_at": _now()})
            await asyncio.sleep(LEASE_EVERY_S)

    async def claim(self, timeout_s: float) -> dict[str, Any]:
        """Wait for a request, claim its attempt and return the request."""
        consumer = await self._jetstream.pull_subscribe_bind(self._uid, "AGENT_REQUESTS")
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    (message,) = await consumer.fetch(1, timeout=1)
                except NoMessage:
                    continue
                request: dict[str, Any] = json.loads(message.data)
                claim = _golden("claim") | self._agent | {"claimed_at": _now()}
                await self._put(f"$KV.claims.{self._uid}.{_id(request)}", claim)
                await message.ack()
                return request

    async def answer(self, request: dict[str, Any]) -> None:
        """Publish a signed response: the attempt of a request is completed."""
        same = {name: request[name] for name in ("namespace", "task_name", "task_uid", "attempt")}
        payload = json.dumps(_golden("completed") | self._agent | same | {"timestamp": _now()}).encode()
        subject = f"agent.response.completed.{request['namespace']}.{self._uid}.{_id(request)}"
        key = bytes.fromhex(request["attempt_key"])
        signature = hmac.new(key, subject.encode() + b"\n" + payload, hashlib.sha256).hexdigest()
        await self._jetstream.publish(subject, payload, headers={"Cognitive-Signature": signature})

    async def _put(self, subject: str, content: dict[str, Any]) -> None:
        await self._jetstream.publish(subject, json.dumps(content).encode())


@asynccontextmanager
async def played_executor(nats_url: str, agent_uid: str, submission_id: str) -> AsyncIterator[PlayedExecutor]:
    """Yield an executor that renews its lease until the block ends."""
    client = await nats.connect(nats_url, allow_reconnect=False)
    executor = PlayedExecutor(client.jetstream(), agent_uid, submission_id)
    lease = asyncio.create_task(executor.renew_lease())
    try:
        yield executor
    finally:
        lease.cancel()
        await asyncio.gather(lease, return_exceptions=True)
        await client.close()


def _golden(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _id(request: dict[str, Any]) -> str:
    return f"{request['task_uid']}.{request['attempt']}"


def _now() -> str:
    return datetime.now(UTC).isoformat()
