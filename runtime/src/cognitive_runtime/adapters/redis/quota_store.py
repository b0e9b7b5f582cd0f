"""Quota store of an agent in Redis. A call that must be counted fails while Redis is unavailable."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from cognitive_runtime.adapters.redis.scripts import ACQUIRE, CACHE_RESULT, CORRECT
from cognitive_runtime.domain import CredentialsNotMounted, LedgerUnavailable, Permit, QuotaDecision, QuotaRequest
from cognitive_runtime.domain.quota import Slot
from cognitive_runtime.domain.result_cache import MAX_VALUE_BYTES

_LOGGER: Final = logging.getLogger(__name__)
_NAME: Final = "redis"
_ANSWER_TIMEOUT_S: Final = 2.0
_MAX_CONNECTIONS: Final = 8
_MAX_PENDING: Final = 1000
"""Limit of writes in flight. While Redis is slow, further writes are dropped."""

ReadURL = Callable[[], str]
"""Returns the Redis URL, password included. Raises ``CredentialsNotMounted``."""


@dataclass(frozen=True)
class RedisTiming:
    """Time limits while Redis is unavailable, in seconds."""

    max_wait_s: float = 5.0
    """Longest wait of a call that must be counted."""
    retry_s: float = 0.25
    """Pause between two tries of a waiting call."""
    skip_cache_s: float = 2.0
    """Time after a failure during which the cache is not read."""


@dataclass(frozen=True)
class _Connection:
    """Connection pool with its registered scripts."""

    client: Redis
    acquire: Any
    correct: Any
    cache_result: Any


class RedisQuotaStore:
    """Implements ``IQuotaStore`` for one agent. Belongs to one event loop.

    The URL is read again after each failure, so that the password can change. Each outage is logged once. Neither the
    URL nor the server's messages are logged, because both can contain the password.
    """

    def __init__(self, agent_uid: str, read_url: ReadURL, timing: RedisTiming | None = None) -> None:
        self._agent_uid = agent_uid
        self._read_url = read_url
        self._timing = timing or RedisTiming()
        self._connection: _Connection | None = None
        self._is_lost = False
        self._retry_at_s = 0.0
        self._pending: set[asyncio.Task[None]] = set()

    async def acquire(self, request: QuotaRequest) -> QuotaDecision:
        """Return the decision, and wait for Redis up to ``max_wait_s`` if the call must be counted.

        Without Redis, a request that books nothing gets an empty decision.

        Raises:
            LedgerUnavailable: Redis is unavailable or refuses the request.
            CredentialsNotMounted: The file contains no Redis URL.
        """
        if request.limit is None and time.monotonic() < self._retry_at_s:
            return QuotaDecision()
        problem: Exception = TimeoutError()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self._timing.max_wait_s, request.max_wait_s)):
                while True:
                    connection = self._connected()
                    try:
                        return await self._acquire(connection, request)
                    except (RedisError, OSError) as error:
                        problem = error
                        await self._on_lost(connection, error)
                    if request.limit is None:
                        return QuotaDecision()
                    await asyncio.sleep(self._timing.retry_s)
        if request.limit is None:
            return QuotaDecision()
        raise LedgerUnavailable(_explained(problem))

    def correct(self, permit: Permit, used_tokens: int) -> None:
        """Replace a call's estimate by its real tokens, if Redis booked the call and still counts it."""
        if permit.slot is not None and permit.slot.store == _NAME and used_tokens != permit.tokens:
            more = used_tokens - permit.tokens
            self._send("correct", self._key("booked"), permit.slot.number, more)

    def cache_result(self, key: str, value: bytes, ttl_s: float) -> None:
        """Store a result until it expires or Redis evicts it. A result above the size limit is not stored."""
        if len(value) <= MAX_VALUE_BYTES:
            self._send("cache_result", self._key(f"answer:{key}"), value, int(ttl_s * 1000))

    async def close(self) -> None:
        """Finish the writes in flight and disconnect."""
        await asyncio.gather(*self._pending)
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.client.aclose()

    async def _acquire(self, connection: _Connection, request: QuotaRequest) -> QuotaDecision:
        limit = request.limit
        answer = await connection.acquire(
            keys=[self._key("slots"), self._key("booked"), self._key(f"answer:{request.key or ''}")],
            args=[
                int(request.key is not None),
                int(request.max_age_s * 1000),
                int(limit is not None),
                limit.requests_per_minute if limit else 0,
                limit.tokens_per_minute if limit else 0,
                request.tokens,
            ],
        )
        self._on_recovered()
        return _decision(answer[0], answer[1], request.tokens)

    def _send(self, script: Literal["correct", "cache_result"], key: str, *arguments: Any) -> None:
        """Run a script without waiting for its answer."""
        if len(self._pending) < _MAX_PENDING:
            task = asyncio.create_task(self._sent(script, key, arguments))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)

    async def _sent(self, script: Literal["correct", "cache_result"], key: str, arguments: tuple[Any, ...]) -> None:
        connection = self._connection
        if connection is None:  # the permit or key belongs to a lost connection
            return
        run = connection.correct if script == "correct" else connection.cache_result
        try:
            await run(keys=[key], args=arguments)
        except (RedisError, OSError) as error:
            await self._on_lost(connection, error)

    def _connected(self) -> _Connection:
        if self._connection is None:
            client = _client(self._read_url())
            scripts = [client.register_script(script) for script in (ACQUIRE, CORRECT, CACHE_RESULT)]
            self._connection = _Connection(client, *scripts)
        return self._connection

    def _key(self, name: str) -> str:
        """Return a key of the agent. The braces place all keys of the agent on one node of a Redis Cluster."""
        return f"cognitive:{{{self._agent_uid}}}:{name}"

    def _on_recovered(self) -> None:
        if self._is_lost:
            self._is_lost = False
            _LOGGER.info("Redis recovered: limits and cache are shared", extra={"event": "LedgerFound"})

    async def _on_lost(self, connection: _Connection, error: Exception) -> None:
        if self._connection is connection:
            self._connection = None
            await connection.client.aclose()
        self._retry_at_s = time.monotonic() + self._timing.skip_cache_s
        if not self._is_lost:
            self._is_lost = True
            extra = {"event": "LedgerLost", "reason": type(error).__name__}
            _LOGGER.warning("Redis lost: calls that must be counted wait, and there is no cache", extra=extra)


def _client(url: str) -> Redis:
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_MAX_CONNECTIONS,
            timeout=_ANSWER_TIMEOUT_S,
            socket_timeout=_ANSWER_TIMEOUT_S,
            socket_connect_timeout=_ANSWER_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
    except (ValueError, TypeError):
        message = "The Redis URL file contains no valid URL, such as rediss://:PASSWORD@redis.example:6379/0."
        raise CredentialsNotMounted(message) from None
    return Redis.from_pool(pool)


def _decision(kind: bytes, value: Any, tokens: int) -> QuotaDecision:
    match kind:
        case b"found":
            return QuotaDecision(cached=value)
        case b"permit":
            return QuotaDecision(permit=Permit(Slot(_NAME, value), tokens))
        case b"wait":
            return QuotaDecision(wait_s=value / 1000)
    return QuotaDecision()


def _explained(error: Exception) -> str:
    if isinstance(error, AuthenticationError | NoPermissionError):
        return (
            "The Redis server for the agent's limits refuses the credentials in its URL; no model was called uncounted."
        )
    if isinstance(error, ResponseError):
        kind = type(error).__name__
        return f"The Redis server for the agent's limits refuses to count ({kind}); no model was called uncounted."
    return "The Redis server for the agent's limits cannot be reached; no model was called uncounted."
