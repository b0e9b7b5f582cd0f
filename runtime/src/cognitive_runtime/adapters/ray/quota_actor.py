"""The named actor that holds the ledger of one agent."""

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
KEEP_POLL_S: Final = 2.0
_KEEP_BACKOFF_S: Final = 0.5


@dataclass(frozen=True)
class IdleTimeout:
    """How long a ledger that belongs to no job waits for questions, in seconds since the last one."""

    min_s: float = 60.0
    max_s: float = 3600.0
    poll_s: float = 10.0

    def expires_at_s(self, last_request_at_s: float, in_use_until_s: float) -> float:
        """Return when it ends: when nothing that it holds counts any more, but within both bounds."""
        return last_request_at_s + max(self.min_s, min(in_use_until_s - last_request_at_s, self.max_s))


def ray_namespace(agent_uid: str) -> str:
    """Return the Ray namespace of an agent's own: what is named in it is no other agent's."""
    return f"cognitive-{agent_uid}"


class QuotaActor:
    """Hosts the ledger. All methods run on the actor's one event loop, so none interrupts another."""

    def __init__(self, idle_timeout: IdleTimeout | None = None) -> None:
        """Begin with nothing; with ``idle_timeout`` the actor ends itself."""
        self._store = QuotaStore(uuid4().hex, ResultCache())
        self._last_request_at_s = time.monotonic()
        if idle_timeout:
            this = ray.get_runtime_context().current_actor
            threading.Thread(target=self._end_when_idle, args=(this, idle_timeout), daemon=True).start()

    async def acquire(self, request: QuotaRequest) -> QuotaDecision:
        """Answer one request."""
        self._last_request_at_s = time.monotonic()
        return self._store.acquire(request, self._last_request_at_s)

    async def correct(self, permit: Permit, used_tokens: int) -> None:
        """Count what a call has cost instead of its estimate."""
        self._store.correct(permit, used_tokens)

    async def cache_result(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep an answer."""
        self._store.cache_result(key, value, ttl_s, time.monotonic())

    async def ping(self) -> None:
        """Answer."""

    def _end_when_idle(self, this: Any, idle_timeout: IdleTimeout) -> None:
        while time.monotonic() < idle_timeout.expires_at_s(self._last_request_at_s, self._store.in_use_until_s):
            time.sleep(idle_timeout.poll_s)
        ray.kill(this)


def find_quota_actor(agent_uid: str) -> Any:
    """Return the agent's ledger.

    Raises:
        ValueError: There is none.
    """
    return ray.get_actor(_NAME, namespace=ray_namespace(agent_uid))


def ensure_quota_actor(agent_uid: str, idle_timeout: IdleTimeout | None = None) -> Any:
    """Return the agent's ledger, made now if there is none.

    With ``idle_timeout`` it belongs to no job and ends itself; otherwise it ends with the process that calls this.
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


async def supervise_quota_actor(agent_uid: str, poll_s: float = KEEP_POLL_S) -> None:
    """Keep a ledger until this is cancelled: make it, and make it again when it dies.

    One that another job made is used as long as it lives: while an executor replaces another one, both count together.
    """
    while True:
        try:
            actor = await asyncio.to_thread(ensure_quota_actor, agent_uid)
            while True:
                await actor.ping.remote()
                await asyncio.sleep(poll_s)
        except (RayError, ValueError) as error:
            extra = {"event": "LedgerReplaced", "reason": type(error).__name__}
            _LOGGER.warning("making the agent's ledger again", extra=extra)
        await asyncio.sleep(_KEEP_BACKOFF_S)
