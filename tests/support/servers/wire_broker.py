"""The operator's side of the wire on a real broker: streams, requests, and what executors made of them."""

import hashlib
import hmac
import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import nats
import nats.errors
from nats.aio.client import Client
from nats.js.api import (
    ConsumerConfig,
    DiscardPolicy,
    StreamConfig,
)
from nats.js.client import JetStreamContext
from nats.js.errors import KeyNotFoundError, NotFoundError

from support.eventually import eventually_async
from support.servers.nats_client import settle

MASTER_KEY = b"0123456789abcdef0123456789abcdef"
LARGE_INPUT = {"error_message": "naïve 故障 " * 100_000}
GOLDEN_REQUEST = Path(__file__).parents[2] / "contract" / "wire" / "request.json"


@dataclass(frozen=True)
class Attempt:
    """One attempt of a task of some agent."""

    agent_uid: str
    namespace: str = "default"
    task_uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    number: int = 1

    @property
    def id(self) -> str:
        return f"{self.task_uid}.{self.number}"

    @property
    def key(self) -> bytes:
        return hmac.digest(MASTER_KEY, self.id.encode(), hashlib.sha256)

    @property
    def request_subject(self) -> str:
        return f"agent.request.{self.namespace}.{self.agent_uid}.{self.id}"

    def request(self, **changes: Any) -> dict[str, Any]:
        """Return the golden request as one for this attempt; ``llm`` changes fields of ``agent.llm``."""
        found: dict[str, Any] = json.loads(GOLDEN_REQUEST.read_text(encoding="utf-8"))
        plain: dict[str, Any] = {
            "api_key_file": None,
            "fallbacks": [],
            "stream": False,
            "logging": {"requests": True, "responses": False, "tokens": True},
            "cache": {"enabled": False},
            "rate_limit": None,
        }
        found["agent"]["llm"] |= plain | changes.pop("llm", {})
        return (
            found
            | {
                "namespace": self.namespace,
                "task_uid": self.task_uid,
                "attempt": self.number,
                "agent_uid": self.agent_uid,
                "attempt_key": self.key.hex(),
            }
            | changes
        )


@dataclass(frozen=True)
class Response:
    """A response as it lies in the stream."""

    subject: str
    payload: bytes
    headers: dict[str, str]

    @property
    def outcome(self) -> str:
        return self.subject.split(".")[2]

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.payload)
        return found

    def is_signed_for(self, attempt: Attempt) -> bool:
        expected = hmac.new(attempt.key, self.subject.encode() + b"\n" + self.payload, hashlib.sha256).hexdigest()
        return self.headers["Cognitive-Signature"] == expected


class WireBroker:
    """A connection with an administrator's rights, which lays the broker out as the operator does."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.jetstream: JetStreamContext = client.jetstream()

    @classmethod
    async def connect(cls, url: str) -> Self:
        """Connect, once: after an outage connect anew."""
        return cls(await nats.connect(url, allow_reconnect=False, error_cb=_ignore))

    async def close(self) -> None:
        await self.client.close()

    async def lay_out(self) -> None:
        """Make the streams and buckets that all agents share."""
        await self._stream("AGENT_REQUESTS", "agent.request.>", max_msgs_per_subject=1, max_age=24 * 3600)
        await self._stream("AGENT_RESPONSES", "agent.response.>", max_age=7 * 24 * 3600, duplicate_window=120)
        for bucket, ttl in (("claims", 48 * 3600), ("lease", 60)):
            subjects = f"$KV.{bucket}.>"
            await self._stream(f"KV_{bucket}", subjects, max_msgs_per_subject=1, max_age=ttl, deny_delete=True)

    async def add_agent(self, agent_uid: str, namespace: str = "default") -> None:
        """Make the consumer and the bucket of one agent."""
        await self.add_consumer(agent_uid, namespace)
        await self.jetstream.create_object_store(bucket=f"results-{agent_uid}")

    async def add_consumer(self, agent_uid: str, namespace: str = "default") -> None:
        config = ConsumerConfig(
            durable_name=agent_uid,
            filter_subject=f"agent.request.{namespace}.{agent_uid}.>",
            ack_wait=5,
            max_deliver=5,
        )
        await self.jetstream.add_consumer("AGENT_REQUESTS", config)

    async def publish(self, attempt: Attempt, payload: bytes | None = None, **changes: Any) -> None:
        """Publish an attempt's request, once."""
        data = json.dumps(attempt.request(**changes)).encode() if payload is None else payload
        headers = {"Nats-Expected-Last-Subject-Sequence": "0"}
        await self.jetstream.publish(attempt.request_subject, data, headers=headers)

    async def responses(self, attempt: Attempt) -> list[Response]:
        """Return all that is in the stream for an attempt."""
        info = await self.jetstream.stream_info("AGENT_RESPONSES", subjects_filter=f"agent.response.*.*.*.{attempt.id}")
        found: list[Response] = []
        for subject, count in (info.state.subjects or {}).items():
            message = await self.jetstream.get_last_msg("AGENT_RESPONSES", subject)
            found += [Response(subject, message.data or b"", dict(message.headers or {}))] * count
        return found

    async def wait_response(self, attempt: Attempt, timeout_s: float = 10.0) -> Response:
        """Return the attempt's first response as soon as it is there."""
        return (await eventually_async(lambda: self.responses(attempt), timeout_s))[0]

    async def claim(self, attempt: Attempt) -> dict[str, Any] | None:
        return await self._value("claims", f"{attempt.agent_uid}.{attempt.id}")

    async def leases(self, agent_uid: str) -> dict[str, dict[str, Any]]:
        """Return the leases of an agent's workers, by worker."""
        prefix = f"$KV.lease.{agent_uid}."
        info = await self.jetstream.stream_info("KV_lease", subjects_filter=f"{prefix}>")
        workers = [subject.removeprefix(prefix) for subject in info.state.subjects or ()]
        found = {worker: await self._value("lease", f"{agent_uid}.{worker}") for worker in workers}
        return {worker: lease for worker, lease in found.items() if lease is not None}

    async def stop(self, attempt: Attempt, reason: str = "TaskDeleted") -> None:
        body = {"task_uid": attempt.task_uid, "attempt": attempt.number, "reason": reason, "action": "stop"}
        await self._control(attempt.agent_uid, attempt.namespace, body)

    async def drain(self, agent_uid: str, submission_id: str, namespace: str = "default") -> None:
        await self._control(agent_uid, namespace, {"action": "drain", "submission_id": submission_id})

    async def _control(self, agent_uid: str, namespace: str, body: dict[str, Any]) -> None:
        subject = f"agent.control.{namespace}.{agent_uid}"
        await self.client.publish(subject, json.dumps({"schema_version": 1} | body).encode())
        await settle(self.client)

    async def _stream(self, name: str, subjects: str, **settings: Any) -> None:
        config = StreamConfig(name=name, subjects=[subjects], discard=DiscardPolicy.NEW, allow_direct=True, **settings)
        await self.jetstream.add_stream(config)

    async def _value(self, bucket: str, key: str) -> dict[str, Any] | None:
        store = await self.jetstream.key_value(bucket)
        try:
            entry = await store.get(key)
        except (KeyNotFoundError, NotFoundError):
            return None
        found: dict[str, Any] | None = json.loads(entry.value) if entry.value else None
        return found


async def large_input(admin: WireBroker, attempt: Attempt) -> dict[str, Any]:
    """Store ``LARGE_INPUT`` as the operator does; return what the attempt's request says of it."""
    content, name = json.dumps(LARGE_INPUT).encode(), f"{attempt.id}.input"
    store = await admin.jetstream.object_store(f"results-{attempt.agent_uid}")
    await store.put(name, content)
    digest = hashlib.sha256(content).hexdigest()
    ref = {"bucket": f"results-{attempt.agent_uid}", "name": name, "size_bytes": len(content), "sha256": digest}
    return {"input": {}, "input_ref": ref}


async def _ignore(_: Exception) -> None:
    """An outage is what the tests make on purpose."""
