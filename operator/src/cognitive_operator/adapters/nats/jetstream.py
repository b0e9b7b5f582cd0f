"""Requests of JetStream's API, as JSON over one connection."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nats.aio.msg import Msg

from cognitive_operator.adapters.nats.connection import NatsConnection
from cognitive_operator.errors import BrokerUnavailableError

WRONG_LAST_SEQUENCE = (10071, 10164)
NAME_IN_USE = 10058
_ABSENT = (10014, 10037, 10043, 10057, 10059)
"""Consumer, message, sequence, sequence and stream not found. Source: nats-server's ``errors.json``."""


class JetStreamError(BrokerUnavailableError):
    """JetStream refused a request."""

    def __init__(self, subject: str, error: Mapping[str, Any]) -> None:
        self.err_code = int(error.get("err_code", 0))
        super().__init__(f"{subject}: {error.get('description', 'refused')} ({self.err_code})")

    @property
    def is_absence(self) -> bool:
        """True when the requested object does not exist."""
        return self.err_code in _ABSENT


@dataclass(frozen=True)
class StoredMessage:
    """A message of a stream."""

    sequence: int
    headers: Mapping[str, str]
    data: bytes
    subject: str = ""
    stored_at: str = ""
    """Time of storage by the server's clock, RFC 3339 in UTC."""

    @property
    def is_marker(self) -> bool:
        """True for the message that a key-value bucket holds in place of a deleted key."""
        return "KV-Operation" in self.headers or "Nats-Marker-Reason" in self.headers


class JetStream:
    """JetStream's API. Every method raises BrokerUnavailableError; JetStreamError when the server names a reason."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection

    async def call(self, api: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the answer to a management request; ``api`` is its subject after ``$JS.API.``."""
        subject = f"$JS.API.{api}"
        reply = await self._connection.request(subject, json.dumps(body).encode() if body else b"")
        return _answer(subject, reply)

    async def call_optional(self, api: str, body: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Return the answer to a management request, None when the object that it names does not exist."""
        try:
            return await self.call(api, body)
        except JetStreamError as error:
            if error.is_absence:
                return None
            raise

    async def publish(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> int:
        """Publish a message, wait until the stream holds it and return its sequence number."""
        return int(_answer(subject, await self._connection.request(subject, payload, headers)).get("seq", 0))

    async def last(self, stream: str, subject: str) -> StoredMessage | None:
        """Return the newest message of a subject by a direct get, None if there is none."""
        api = f"$JS.API.DIRECT.GET.{stream}.{subject}"
        reply = await self._connection.request(api)
        if _is_status(reply) and (reply.headers or {}).get("Status") == "404":
            return None
        return _stored(api, reply)

    async def last_of(self, stream: str, subjects: Sequence[str]) -> list[StoredMessage]:
        """Return the newest message of each of up to 1,024 subjects that have one, by one direct get."""
        body = {"multi_last": list(subjects), "batch": len(subjects)}
        return await self._read_many(f"$JS.API.DIRECT.GET.{stream}", body)

    async def read(self, stream: str, subjects: str, first: int, limit: int) -> list[StoredMessage]:
        """Return up to ``limit`` messages whose subject matches, from sequence number ``first``, by one direct get."""
        body = {"seq": first, "next_by_subj": subjects, "batch": limit}
        return await self._read_many(f"$JS.API.DIRECT.GET.{stream}", body)

    async def _read_many(self, api: str, body: Mapping[str, Any]) -> list[StoredMessage]:
        *found, last = await self._connection.request_many(api, json.dumps(body).encode(), _is_status)
        if (last.headers or {}).get("Status") not in ("204", "404"):
            raise _refused(api, last)
        return [_stored(api, message) for message in found]

    async def subjects(self, stream: str, subject_filter: str) -> AsyncIterator[str]:
        """Yield the subjects of a stream that hold messages; the server answers in pages of 100,000."""
        offset, total = 0, 1
        while offset < total:
            body = {"subjects_filter": subject_filter, "offset": offset}
            answer = await self.call(f"STREAM.INFO.{stream}", body)
            page = answer.get("state", {}).get("subjects") or {}
            for subject in page:
                yield subject
            offset, total = offset + len(page), int(answer.get("total", 0)) if page else 0

    async def names(self, api: str, kind: str) -> AsyncIterator[str]:
        """Yield the names that ``STREAM.NAMES`` or ``CONSUMER.NAMES`` lists as ``kind``, page by page."""
        offset, total = 0, 1
        while offset < total:
            answer = await self.call(api, {"offset": offset})
            page = answer.get(kind) or []
            for name in page:
                yield str(name)
            offset, total = offset + len(page), int(answer.get("total", 0)) if page else 0

    async def purge(self, stream: str, subject_filter: str) -> None:
        """Remove every message of the matching subjects; an absent stream is not an error."""
        await self.call_optional(f"STREAM.PURGE.{stream}", {"filter": subject_filter})


_DIRECT_HEADERS = (
    "Nats-Stream",
    "Nats-Subject",
    "Nats-Sequence",
    "Nats-Time-Stamp",
    "Nats-Num-Pending",
    "Nats-Last-Sequence",
)


def _is_status(message: Msg) -> bool:
    return "Status" in (message.headers or {}) and "Nats-Sequence" not in (message.headers or {})


def _stored(api: str, reply: Msg) -> StoredMessage:
    headers = reply.headers or {}
    if "Nats-Sequence" not in headers:
        raise _refused(api, reply)
    kept = {name: value for name, value in headers.items() if name not in _DIRECT_HEADERS}
    subject, stored_at = headers.get("Nats-Subject", ""), headers.get("Nats-Time-Stamp", "")
    return StoredMessage(int(headers["Nats-Sequence"]), kept, reply.data, subject, stored_at)


def _refused(api: str, reply: Msg) -> BrokerUnavailableError:
    headers = reply.headers or {}
    return BrokerUnavailableError(f"{api}: {headers.get('Status')} {headers.get('Description', '')}")


def _answer(subject: str, reply: Msg) -> dict[str, Any]:
    try:
        answer = json.loads(reply.data)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise BrokerUnavailableError(f"{subject}: the answer is not from JetStream")
    if isinstance(answer.get("error"), dict):
        raise JetStreamError(subject, answer["error"])
    return answer
