"""The broker as an administrator uses it, beside all proxies, for tests that block."""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import nats
from nats.js.api import RawStreamMsg
from nats.js.client import JetStreamContext

from support.eventually import LIMIT_S
from support.faults.loop import LoopThread

T = TypeVar("T")
REQUESTS, RESPONSES = "AGENT_REQUESTS", "AGENT_RESPONSES"
SIGNATURE = "Cognitive-Signature"


@dataclass(frozen=True)
class Message:
    """A message as it lies in a stream."""

    subject: str
    headers: Mapping[str, str]
    data: bytes


@dataclass(frozen=True)
class StreamAdmin:
    """Every call connects anew, so that an outage of the broker leaves nothing behind."""

    url: str
    loop: LoopThread

    def last(self, stream: str, subject: str) -> Message:
        """Return the last message on a subject, which may hold wildcards."""
        found = self._run(lambda js: js.get_last_msg(stream, subject))
        return _message(found, subject)

    def contents(self, stream: str, subject: str) -> list[bytes]:
        """Return what lies on one subject, oldest first."""

        async def read(js: JetStreamContext) -> list[bytes]:
            subscription = await js.subscribe(subject, stream=stream, ordered_consumer=True)
            consumer = await subscription.consumer_info()
            count = (consumer.num_pending or 0) + (consumer.delivered.consumer_seq if consumer.delivered else 0)
            return [(await subscription.next_msg(timeout=LIMIT_S)).data for _ in range(count)]

        return self._run(read)

    def publish(self, message: Message) -> None:
        """Publish a message into its stream."""
        self._run(lambda js: js.publish(message.subject, message.data, headers=dict(message.headers) or None))

    def delete_stream(self, name: str) -> None:
        """Delete a stream with all that it holds."""
        self._run(lambda js: js.delete_stream(name))

    def delete_consumer(self, stream: str, name: str) -> None:
        """Delete a consumer with its position."""
        self._run(lambda js: js.delete_consumer(stream, name))

    def consumers(self, stream: str) -> set[str]:
        """Return the names of a stream's consumers."""

        async def listed(js: JetStreamContext) -> set[str]:
            return {info.name for info in await js.consumers_info(stream)}

        return self._run(listed)

    def read_object(self, bucket: str, name: str) -> bytes:
        """Return a large result."""

        async def read(js: JetStreamContext) -> bytes:
            store = await js.object_store(bucket)
            return (await store.get(name)).data or b""

        return self._run(read)

    def names(self) -> set[str]:
        """Return the names of all streams."""

        async def listed(js: JetStreamContext) -> set[str]:
            return {str(info.config.name) for info in await js.streams_info()}

        return self._run(listed)

    def unsettled(self) -> int:
        """Return how many responses the operator was given and has not settled."""

        async def asked(js: JetStreamContext) -> int:
            return (await js.consumer_info(RESPONSES, "cognitive-operator")).num_ack_pending or 0

        return self._run(asked)

    def attempt_key(self, namespace: str, agent_uid: str, task_uid: str, number: int) -> bytes:
        """Return the key that an attempt signs with, out of its request."""
        request = self.last(REQUESTS, f"agent.request.{namespace}.{agent_uid}.{task_uid}.{number}")
        return bytes.fromhex(json.loads(request.data)["attempt_key"])

    def _run(self, work: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        return self.loop.run(self._connected(work))

    async def _connected(self, work: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        client = await nats.connect(self.url, allow_reconnect=False)
        try:
            return await work(client.jetstream())
        finally:
            await client.close()


def signed(key: bytes, subject: str, data: bytes) -> Message:
    """Return a message with the signature that belongs to it."""
    signature = hmac.new(key, subject.encode() + b"\n" + data, hashlib.sha256).hexdigest()
    return Message(subject, {SIGNATURE: signature}, data)


def _message(found: RawStreamMsg, subject: str) -> Message:
    return Message(found.subject or subject, found.headers or {}, found.data or b"")
