"""Named Ray actor that hosts the quota store of one agent."""

import asyncio
import logging
import threading
import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import ray
from ray.exceptions import RayError

from cognitive_runtime.domain import Permit, QuotaDecision, QuotaRequest, QuotaStore, ResultCache

_LOGGER: Final = logging.getLogger(__name__)
_NAME: Final = "ledger"
"""Name of the actor in the agent's Ray namespace."""
PING_INTERVAL_S: Final = 2.0
_RESTART_BACKOFF_S: Final = 0.5


@dataclass(frozen=True)
class IdleTimeout:
    """Lifetime of a detached actor after its last request, in seconds."""

    min_s: float = 60.0
    max_s: float = 3600.0
    poll_s: float = 10.0

    def expires_at_s(self, last_request_at_s: float, in_use_until_s: float) -> float:
        """Return the time at which the actor ends: when its content has expired, but within both bounds."""
        return last_request_at_s + max(self.min_s, min(in_use_until_s - last_request_at_s, self.max_s))


def ray_namespace(agent_uid: str) -> str:
    """Return the agent's own Ray namespace, which keeps its actor's name apart from other agents'."""
    return f"cognitive-{agent_uid}"


class QuotaActor:
    """Hosts the quota store. All methods run on the actor's event loop, one after the other."""

    def __init__(self, idle_timeout: IdleTimeout | None = None) -> None:
        """Start with an empty store. With ``idle_timeout`` the actor ends itself."""
        self._store = QuotaStore(uuid4().hex, ResultCache())
        self._last_request_at_s = time.monotonic()
        if idle_timeout:
            this = ray.get_runtime_context().current_actor
            threading.Thread(target=self._end_when_idle, args=(this, idle_timeout), daemon=True).start()

    async def acquire(self, request: QuotaRequest) -> QuotaDecision:
        """Decide on one request."""
        self._last_request_at_s = time.monotonic()
        return self._store.acquire(request, self._last_request_at_s)

    async def correct(self, permit: Permit, used_tokens: int) -> None:
        """Replace a call's estimate by its real tokens."""
        self._store.correct(permit, used_tokens)

    async def cache_result(self, key: str, value: bytes, ttl_s: float) -> None:
        """Store a result in the cache."""
        self._store.cache_result(key, value, ttl_s, time.monotonic())

    async def ping(self) -> None:
        """Return, to show that the actor is alive."""

    def _end_when_idle(self, this: Any, idle_timeout: IdleTimeout) -> None:
        while time.monotonic() < idle_timeout.expires_at_s(self._last_request_at_s, self._store.in_use_until_s):
            time.sleep(idle_timeout.poll_s)
        ray.kill(this)


def find_quota_actor(agent_uid: str) -> Any:
    """Return the handle of the agent's quota actor.

    Raises:
        ValueError: There is no such actor.
    """
    return ray.get_actor(_NAME, namespace=ray_namespace(agent_uid))


def ensure_quota_actor(agent_uid: str, idle_timeout: IdleTimeout | None = None) -> Any:
    """Return the handle of the agent's quota actor, and create the actor if it is missing.

    With ``idle_timeout`` the actor is detached and ends itself; otherwise it ends with the calling process.
    """
    options: dict[str, Any] = {
        "name": _NAME,
        "namespace": ray_namespace(agent_uid),
        "get_if_exists": True,
        "num_cpus": 0,
        "max_restarts": 0,
        "lifetime": "detached" if idle_timeout else None,
    }
    return ray.remote(QuotaActor).options(**options).remote(idle_timeout)


async def supervise_quota_actor(agent_uid: str, interval_s: float = PING_INTERVAL_S) -> None:
    """Create the agent's quota actor, and recreate it when it dies. Runs until cancelled.

    An actor of another job is used as long as it lives: two executors that overlap during a replacement count together.
    """
    while True:
        try:
            actor = await asyncio.to_thread(ensure_quota_actor, agent_uid)
            while True:
                await actor.ping.remote()
                await asyncio.sleep(interval_s)
        except (RayError, ValueError) as error:
            extra = {"event": "LedgerReplaced", "reason": type(error).__name__}
            _LOGGER.warning("recreating the agent's quota store", extra=extra)
        await asyncio.sleep(_RESTART_BACKOFF_S)
