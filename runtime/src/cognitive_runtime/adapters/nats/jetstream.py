"""JetStream operations of an executor. None of them needs a right to manage streams."""

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import nats.errors
from nats.js.errors import APIError, Error, NoStreamResponseError

from cognitive_runtime.adapters.nats.connection import BrokerConnection
from cognitive_runtime.adapters.nats.errors import (
    BrokerUnavailable,
    PermanentBrokerError,
    StreamFull,
    TransientBrokerError,
    WrongLastSequence,
)

REQUEST_TIMEOUT_S: Final = 2.0
_EXPECTED_LAST_SUBJECT_SEQUENCE: Final = "Nats-Expected-Last-Subject-Sequence"
_WRONG_LAST_SEQUENCE: Final = (10071, 10164)
_NO_ROOM: Final = (10023, 10047, 10077, 10122)
"""Insufficient resources, insufficient storage, maximum messages or bytes of the stream, storage limit of the account.
Source: ``server/errors.json`` of nats-server."""
_KV_OPERATION: Final = "KV-Operation"
_ROLLUP: Final = {"Nats-Rollup": "sub"}


async def store(
    broker: BrokerConnection, subject: str, payload: bytes, headers: Mapping[str, str] | None = None
) -> None:
    """Publish a message and wait for the stream's acknowledgement.

    Raises:
        TransientBrokerError: The message may or may not be stored. Retry.
        WrongLastSequence: ``headers`` expect a subject without messages, but it has one.
        PermanentBrokerError: The stream refused it.
    """
    with _translated():
        await broker.jetstream().publish(
            subject, payload, timeout=REQUEST_TIMEOUT_S, headers=dict(headers or {}) or None
        )


async def store_alone(broker: BrokerConnection, subject: str, payload: bytes) -> None:
    """Store a message that replaces all others of its subject (rollup). Raises the errors of ``store``."""
    await store(broker, subject, payload, _ROLLUP)


async def create(broker: BrokerConnection, subject: str, payload: bytes) -> None:
    """Store the first message of a subject. Fails if the subject ever had a message.

    Raises:
        WrongLastSequence: The subject has a message: of another client, or of an earlier call whose answer was lost.
        TransientBrokerError: The message may or may not be stored. Retry.
    """
    await store(broker, subject, payload, {_EXPECTED_LAST_SUBJECT_SEQUENCE: "0"})


async def replace_last(broker: BrokerConnection, subject: str, payload: bytes, sequence: int) -> None:
    """Store a message if the last one of its subject has a sequence. Raises the errors of ``create``."""
    await store(broker, subject, payload, {_EXPECTED_LAST_SUBJECT_SEQUENCE: str(sequence)})


async def last_stored(broker: BrokerConnection, stream: str, subject: str) -> tuple[int, bytes] | None:
    """Return sequence and data of the last message of a subject, or None.

    Raises:
        TransientBrokerError: The broker did not answer. Retry.
    """
    return await _direct_get(broker, stream, f".{subject}", b"")


async def last_message(broker: BrokerConnection, stream: str, subject: str) -> bytes | None:
    """Return the last message of a subject, or None.

    Raises:
        TransientBrokerError: The broker did not answer. Retry.
    """
    found = await last_stored(broker, stream, subject)
    return found[1] if found else None


async def next_message(broker: BrokerConnection, stream: str, subject: str, first: int) -> tuple[int, bytes] | None:
    """Return sequence and data of the first message of a subject from a sequence on, or None.

    Raises:
        TransientBrokerError: The broker did not answer. Retry.
    """
    return await _direct_get(broker, stream, "", json.dumps({"seq": first, "next_by_subj": subject}).encode())


async def _direct_get(broker: BrokerConnection, stream: str, what: str, body: bytes) -> tuple[int, bytes] | None:
    with _translated():
        reply = await broker.client().request(f"$JS.API.DIRECT.GET.{stream}{what}", body, timeout=REQUEST_TIMEOUT_S)
    headers = reply.headers or {}
    status = headers.get("Status")
    if status == "404":
        return None
    if status:
        raise BrokerUnavailable(f"direct get from {stream}: status {status}")
    return int(headers.get("Nats-Sequence", 0)), reply.data


async def put_key(broker: BrokerConnection, bucket: str, key: str, value: bytes) -> None:
    """Set a key of a key-value bucket. Raises the errors of ``store``."""
    await store(broker, f"$KV.{bucket}.{key}", value)


async def purge_key(broker: BrokerConnection, bucket: str, key: str) -> None:
    """Purge a key of a key-value bucket, which leaves a marker for its watchers."""
    await store(broker, f"$KV.{bucket}.{key}", b"", {_KV_OPERATION: "PURGE"})


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (TransientBrokerError, PermanentBrokerError, asyncio.CancelledError):
        raise
    except APIError as error:
        raise _from_api_error(error) from error
    except (NoStreamResponseError, nats.errors.NoRespondersError) as error:
        raise BrokerUnavailable("no responder for the stream: it does not exist or has no leader") from error
    except nats.errors.MaxPayloadError as error:
        raise PermanentBrokerError("the message is larger than the broker takes") from error
    except (nats.errors.Error, Error, OSError, json.JSONDecodeError) as error:
        raise BrokerUnavailable(f"no answer from the broker: {error!r}") from error


def _from_api_error(error: APIError) -> Exception:
    details: dict[str, Any] = {"code": error.code, "err_code": error.err_code, "description": error.description}
    if error.err_code in _WRONG_LAST_SEQUENCE:
        return WrongLastSequence(str(details))
    if error.err_code in _NO_ROOM:
        return StreamFull(str(details))
    if error.code is not None and error.code >= 500:
        return BrokerUnavailable(str(details))
    return PermanentBrokerError(str(details))
