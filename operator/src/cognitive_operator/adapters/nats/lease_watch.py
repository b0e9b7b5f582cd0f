"""Watch of the leases' key-value bucket by a push consumer of this connection."""

import contextlib
from collections.abc import Callable
from typing import Final

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from cognitive_operator.adapters.nats.session import NatsSession
from cognitive_operator.adapters.nats.stream_specs import kv_stream
from cognitive_operator.api.names import LEASE_BUCKET
from cognitive_operator.errors import BrokerUnavailableError

_STREAM: Final = kv_stream(LEASE_BUCKET)
_PREFIX: Final = f"$KV.{LEASE_BUCKET}."
_RETRY_S: Final = 1.0
_INACTIVE_NS: Final = 10_000_000_000
"""Time after which the broker deletes a consumer whose connection is lost."""


class LeaseWatcher:
    """Calls ``on_change`` with agent UID and worker after each change of a lease.

    A change during an interruption is missed: the leases are also read at intervals.
    """

    def __init__(self, session: NatsSession, on_change: Callable[[str, str], None]) -> None:
        self._session = session
        self._on_change = on_change
        self._subscription: Subscription | None = None
        self._ready_since_s = float("inf")
        """``ready_since_s`` of the session to which the consumer belongs: another session needs another consumer."""

    async def run(self) -> None:
        """Keep a consumer on every connection, until cancelled."""
        try:
            while True:
                await self._ensure()
                await self._session.wait_for_change(_RETRY_S)
        finally:
            await self._unsubscribe()

    async def _ensure(self) -> None:
        since_s = self._session.ready_since_s
        if not self._session.is_ready or since_s == self._ready_since_s:
            return
        with contextlib.suppress(BrokerUnavailableError):  # tried again after _RETRY_S
            await self._subscribe()
            self._ready_since_s = since_s

    async def _subscribe(self) -> None:
        await self._unsubscribe()
        inbox = self._session.connection.new_inbox()
        self._subscription = await self._session.connection.subscribe(inbox, self._receive)
        config = {
            "deliver_subject": inbox,
            "deliver_policy": "new",
            "ack_policy": "none",
            "filter_subject": f"{_PREFIX}>",
            "headers_only": True,
            "inactive_threshold": _INACTIVE_NS,
            "mem_storage": True,
        }
        async with self._session.use() as js:
            await js.call(f"CONSUMER.CREATE.{_STREAM}", {"stream_name": _STREAM, "config": config})

    async def _unsubscribe(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with contextlib.suppress(nats.errors.Error, OSError):
                await subscription.unsubscribe()

    async def _receive(self, message: Msg) -> None:
        agent_uid, _, worker = message.subject.removeprefix(_PREFIX).partition(".")
        if worker:
            self._on_change(agent_uid, worker)
