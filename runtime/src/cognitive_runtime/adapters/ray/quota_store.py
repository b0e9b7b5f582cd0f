"""The ledger of an agent as its workers use it: shared, and each its own while the shared one is away."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from ray.exceptions import RayError

from cognitive_runtime.adapters.ray.actors import connect_to_ray
from cognitive_runtime.adapters.ray.quota_actor import IdleTimeout, ensure_quota_actor, find_quota_actor
from cognitive_runtime.domain import Permit, QuotaDecision, QuotaRequest, QuotaStore

_LOGGER: Final = logging.getLogger(__name__)
CALL_TIMEOUT_S: Final = 10.0
AWAY_S: Final = 2.0
"""How long a lost ledger is not looked for."""

Find = Callable[[], Any]
"""Returns the ledger's actor; blocks; raises what Ray raises when there is none."""


class SharedQuotaStore:
    """Implements ``IQuotaStore`` by the agent's named actor.

    While that cannot be reached, this process counts by itself up to its share of the limits and remembers nothing;
    it looks for the actor again every two seconds. Each outage is logged once.
    """

    def __init__(self, find: Find, workers: int = 1) -> None:
        """Take how to find the actor, and how many workers share the limits while it is away."""
        self._find = find
        self._workers = workers
        self._fallback = QuotaStore(uuid4().hex)
        self._actor: Any = None
        self._retry_at_s = 0.0
        self._is_away = False
        self._lookup_lock = asyncio.Lock()

    async def acquire(self, request: QuotaRequest) -> QuotaDecision:
        """Ask the shared ledger, or the own one."""
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                actor = await self._shared()
                if actor is not None:
                    decision: QuotaDecision = await actor.acquire.remote(request)
                    self._on_recovered()
                    return decision
        except (RayError, OSError, RuntimeError, ValueError, TimeoutError) as error:
            self._on_lost(error)
        limit = request.limit and request.limit.share(self._workers)
        return self._fallback.acquire(replace(request, key=None, limit=limit), time.monotonic())

    def correct(self, permit: Permit, used_tokens: int) -> None:
        """Count what a call has cost, in the ledger that booked it."""
        if permit.slot and permit.slot.store == self._fallback.name:
            self._fallback.correct(permit, used_tokens)
        else:
            self._send("correct", permit, used_tokens)

    def cache_result(self, key: str, value: bytes, ttl_s: float) -> None:
        """Let the shared ledger keep an answer."""
        self._send("cache_result", key, value, ttl_s)

    def _send(self, method: str, *arguments: Any) -> None:
        """Send a message whose answer nobody waits for."""
        try:
            if self._actor is not None:
                getattr(self._actor, method).remote(*arguments)
        except RayError as error:
            self._on_lost(error)

    async def _shared(self) -> Any:
        async with self._lookup_lock:
            if self._actor is None and time.monotonic() >= self._retry_at_s:
                self._actor = await asyncio.to_thread(self._find)
            return self._actor

    def _on_recovered(self) -> None:
        if self._is_away:
            self._is_away = False
            _LOGGER.info("limits and cache are shared again", extra={"event": "LedgerFound"})

    def _on_lost(self, error: Exception) -> None:
        self._actor = None
        self._retry_at_s = time.monotonic() + AWAY_S
        if not self._is_away:
            self._is_away = True
            extra = {"event": "LedgerLost", "reason": type(error).__name__}
            _LOGGER.warning("this worker keeps its share of the limits by itself, without a cache", extra=extra)


def executor_quota_store(agent_uid: str, workers: int) -> SharedQuotaStore:
    """Return the ledger for a worker of an executor, whose driver keeps it."""
    return SharedQuotaStore(lambda: find_quota_actor(agent_uid), workers)


def attempt_quota_store(namespace: str, agent_uid: str) -> SharedQuotaStore:
    """Return the ledger for an attempt in Job mode: joins Ray first, and makes the ledger if there is none."""

    def find() -> Any:
        connect_to_ray(namespace)
        return ensure_quota_actor(agent_uid, IdleTimeout())

    return SharedQuotaStore(find)
