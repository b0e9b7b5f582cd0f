"""Quota store of a worker: the agent's shared actor, or local counting while the actor is unavailable."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

from ray.exceptions import RayError

from cognitive_runtime.adapters.ray.actors import connect_to_ray
from cognitive_runtime.adapters.ray.quota_actor import IdleTimeout, ensure_quota_actor, find_quota_actor
from cognitive_runtime.domain import Permit, QuotaDecision, QuotaRequest, QuotaStore

_LOGGER: Final = logging.getLogger(__name__)

FindActor = Callable[[], Any]
"""Returns the handle of the quota actor. Blocks; raises Ray's errors if there is no actor."""


@dataclass(frozen=True)
class QuotaActorTiming:
    """Time limits for calls of the quota actor, in seconds."""

    call_timeout_s: float = 10.0
    retry_after_s: float = 2.0
    """Pause before a lost actor is looked up again."""


class SharedQuotaStore:
    """Implements ``IQuotaStore`` with the agent's named actor.

    While the actor is unavailable, the worker counts locally up to its share of the limits and caches nothing. It
    looks the actor up again every ``retry_after_s`` seconds. Each outage is logged once.
    """

    def __init__(self, find: FindActor, workers: int = 1, timing: QuotaActorTiming | None = None) -> None:
        """Take the lookup of the actor, and the number of workers that share the limits during an outage."""
        self._find = find
        self._workers = workers
        self._timing = timing or QuotaActorTiming()
        self._fallback = QuotaStore(uuid4().hex)
        self._actor: Any = None
        self._retry_at_s = 0.0
        self._is_lost = False
        self._lookup_lock = asyncio.Lock()

    async def acquire(self, request: QuotaRequest) -> QuotaDecision:
        """Return the decision of the shared actor, or of the local store while the actor is unavailable."""
        try:
            async with asyncio.timeout(self._timing.call_timeout_s):
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
        """Replace a call's estimate by its real tokens, in the store that booked it."""
        if permit.slot and permit.slot.store == self._fallback.name:
            self._fallback.correct(permit, used_tokens)
        else:
            self._send("correct", permit, used_tokens)

    def cache_result(self, key: str, value: bytes, ttl_s: float) -> None:
        """Store a result in the shared cache."""
        self._send("cache_result", key, value, ttl_s)

    def _send(self, method: str, *arguments: Any) -> None:
        """Call a method of the actor without waiting for it."""
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
        if self._is_lost:
            self._is_lost = False
            _LOGGER.info("quota store recovered: limits and cache are shared", extra={"event": "LedgerFound"})

    def _on_lost(self, error: Exception) -> None:
        self._actor = None
        self._retry_at_s = time.monotonic() + self._timing.retry_after_s
        if not self._is_lost:
            self._is_lost = True
            extra = {"event": "LedgerLost", "reason": type(error).__name__}
            _LOGGER.warning("quota store lost: counting locally, up to this worker's share of the limits", extra=extra)


def executor_quota_store(agent_uid: str, workers: int) -> SharedQuotaStore:
    """Return the quota store for a worker of an executor, whose driver supervises the actor."""
    return SharedQuotaStore(lambda: find_quota_actor(agent_uid), workers)


def attempt_quota_store(namespace: str, agent_uid: str) -> SharedQuotaStore:
    """Return the quota store for an attempt in Job mode: joins Ray first, and creates the actor if it is missing."""

    def find() -> Any:
        connect_to_ray(namespace)
        return ensure_quota_actor(agent_uid, IdleTimeout())

    return SharedQuotaStore(find)
