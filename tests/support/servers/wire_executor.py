"""An executor by the wire alone: Ray's Jobs API, a lease, claims and signed responses, as a test decides on them."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any

from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeoutError

from support.builders.golden_wire import golden_fields
from support.eventually import PATIENCE
from support.servers.http_double import HttpDouble, Reply
from support.servers.wire_broker import WireBroker

RENEW_EVERY_S = 0.5
Message = dict[str, Any]


class RayStub:
    """The calls of Ray's dashboard that the operator makes; a job that was submitted runs for ever."""

    def __init__(self) -> None:
        self._jobs: dict[str, Message] = {}

    def reply(self, method: str, path: str, body: Message | None) -> Reply | None:
        """Answer a call."""
        if path == "/api/version":
            return Reply(json={"ray_version": version("ray")})
        if method == "POST" and body is not None:
            job = {"submission_id": body["submission_id"], "status": "RUNNING", "message": "", "metadata": {}}
            self._jobs[body["submission_id"]] = job
            return Reply(json={"submission_id": body["submission_id"]})
        _, _, submission_id = path.partition("/api/jobs/")
        if method == "GET" and submission_id:
            job = self._jobs.get(submission_id, {})
            return Reply(json=job) if job else Reply(404)
        return Reply(json=list(self._jobs.values()))

    @property
    def submission_id(self) -> str:
        """Submission id of the last job."""
        return self.submission_ids[-1]

    @property
    def submission_ids(self) -> list[str]:
        """Submission ids of all jobs, oldest first."""
        return list(self._jobs)


class WireExecutor:
    """The one worker of an agent's executor; ``lease`` can be changed while it is renewed."""

    def __init__(self, broker: WireBroker, agent: Message, submission_id: str) -> None:
        """Take the agent as the API server returns it."""
        self._broker = broker
        self._namespace, self._uid = agent["metadata"]["namespace"], agent["metadata"]["uid"]
        who = {"worker": "wire-0", "agent_uid": self._uid, "submission_id": submission_id, "running": []}
        self.lease = golden_fields("lease_features.json") | who | {"learnt": []}
        self._is_alive = True
        self._claims: dict[tuple[str, int], Message] = {}
        self.requests: list[Message] = []
        """The requests that were taken."""

    def become_slot(self) -> None:
        """Write leases as a warm slot of an agent in Job mode."""
        self.lease |= {"mode": "Job", "capacity": 1}

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator["WireExecutor"]:
        """Renew the lease until the end."""
        renewing = asyncio.create_task(self._renew())
        try:
            yield self
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing

    async def take(self, timeout_s: float = 20.0) -> Message:
        """Wait for a request, claim its attempt and return it."""
        request: Message = json.loads((await self._pull(timeout_s)).data)
        self.requests.append(request)
        await self._claim(request, state="running", outcome=None, ended_at=None)
        return request

    async def record_side_effects(self, request: Message) -> None:
        """Write into the claim that a tool may change something, as an executor does before it calls the tool."""
        attempt = (request["task_uid"], request["attempt"])
        claim = self._claims[attempt] | {"side_effects": True}
        await self._put("claims", f"{attempt[0]}.{attempt[1]}", claim)

    def vanish(self) -> None:
        """End the renewal of the lease, as a killed executor does."""
        self._is_alive = False

    async def end_claim(self, request: Message, outcome: str) -> None:
        """End the claim of an answered attempt, as executors do: a restarted operator then reads the response."""
        await self._claim(request, state="ended", outcome=outcome, ended_at=golden_fields("claim.json")["claimed_at"])

    async def complete(self, request: Message, **fields: Any) -> None:
        """Answer a request."""
        await self._respond(request, "completed", golden_fields("completed.json") | fields)

    async def fail(self, request: Message, error_type: str, **fields: Any) -> None:
        """Answer a request with a failure."""
        await self._respond(request, "failed", golden_fields("failed.json") | {"error_type": error_type} | fields)

    async def _claim(self, request: Message, **state: Any) -> None:
        who = {"worker": self.lease["worker"], "submission_id": self.lease["submission_id"]}
        claim = golden_fields("claim.json") | {"claim_id": request["task_uid"], "mode": request["mode"]} | who | state
        await self._put("claims", f"{request['task_uid']}.{request['attempt']}", claim)
        self._claims[request["task_uid"], request["attempt"]] = claim

    async def _pull(self, timeout_s: float) -> Msg:
        pull = await self._broker.jetstream.pull_subscribe_bind(self._uid, "AGENT_REQUESTS")
        try:
            (message,) = await pull.fetch(1, timeout_s * PATIENCE)
        except NatsTimeoutError:
            raise AssertionError(f"no request within {timeout_s:g} s") from None
        finally:
            await pull.unsubscribe()
        await message.ack_sync()
        return message

    async def _respond(self, request: Message, outcome: str, body: Message) -> None:
        names = ("namespace", "task_name", "task_uid", "attempt", "agent_uid", "agent_name", "mode", "task_type")
        who = {"worker": self.lease["worker"], "submission_id": self.lease["submission_id"]}
        payload = json.dumps(body | {name: request[name] for name in names} | who).encode()
        attempt = f"{self._uid}.{request['task_uid']}.{request['attempt']}"
        subject = f"agent.response.{outcome}.{self._namespace}.{attempt}"
        key = bytes.fromhex(request["attempt_key"])
        signature = hmac.new(key, subject.encode() + b"\n" + payload, hashlib.sha256).hexdigest()
        await self._broker.jetstream.publish(subject, payload, headers={"Cognitive-Signature": signature})

    async def _renew(self) -> None:
        while self._is_alive:
            await self._put("lease", self.lease["worker"], self.lease)
            await asyncio.sleep(RENEW_EVERY_S)

    async def _put(self, bucket: str, key: str, body: Message) -> None:
        await self._broker.jetstream.publish(f"$KV.{bucket}.{self._uid}.{key}", json.dumps(body).encode())


@asynccontextmanager
async def ray_stub() -> AsyncIterator[tuple[str, RayStub]]:
    """Serve the calls of Ray's dashboard; yield the URL and the jobs."""
    stub, double = RayStub(), HttpDouble()
    double.answer_by(stub.reply)
    async with double.serve():
        yield double.url, stub
