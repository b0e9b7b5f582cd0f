"""The ledger of an agent in a Redis. Without it nothing is called that has to be counted."""

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
from cognitive_runtime.domain.limits import Slot
from cognitive_runtime.domain.result_cache import MAX_VALUE_BYTES

_LOGGER: Final = logging.getLogger(__name__)
_NAME: Final = "redis"
_ANSWER_TIMEOUT_S: Final = 2.0
PATIENCE_S: Final = 5.0
"""How long a call that has to be counted waits for a Redis that is away."""
_PAUSE_S: Final = 0.25
_AWAY_S: Final = 2.0
"""How long a lost Redis is not asked for answers."""
_MAX_CONNECTIONS: Final = 8
_MAX_PENDING: Final = 1000
"""Messages whose answer nobody waits for; more are dropped while Redis is slow."""

ReadURL = Callable[[], str]
"""Returns the URL of the Redis, with its password; raises ``CredentialsNotMounted``."""


@dataclass(frozen=True)
class _Connection:
    """One set of connections, and what is run over them."""

    client: Redis
    acquire: Any
    correct: Any
    cache_result: Any


class RedisQuotaStore:
    """Implements ``IQuotaStore`` for one agent. Belongs to one event loop.

    The URL is read again after each failure, so that a password may change. Each outage is logged once, and neither
    the URL nor what the server says is ever repeated: both may hold the password.
    """

    def __init__(self, agent_uid: str, read_url: ReadURL) -> None:
        self._agent_uid = agent_uid
        self._read_url = read_url
        self._connection: _Connection | None = None
        self._is_away = False
        self._retry_at_s = 0.0
        self._pending: set[asyncio.Task[None]] = set()

    async def acquire(self, request: QuotaRequest) -> QuotaDecision:
        """Ask, for some seconds if need be. A question that books nothing is answered without Redis: with nothing.

        Raises:
            LedgerUnavailable: Redis is away, or refuses what is asked.
            CredentialsNotMounted: The file holds no URL of a Redis.
        """
        if request.limit is None and time.monotonic() < self._retry_at_s:
            return QuotaDecision()
        problem: Exception = TimeoutError()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(PATIENCE_S, request.max_wait_s)):
                while True:
                    connection = self._connected()
                    try:
                        return await self._acquire(connection, request)
                    except (RedisError, OSError) as error:
                        problem = error
                        await self._on_lost(connection, error)
                    if request.limit is None:
                        return QuotaDecision()
                    await asyncio.sleep(_PAUSE_S)
        if request.limit is None:
            return QuotaDecision()
        raise LedgerUnavailable(_explained(problem))

    def correct(self, permit: Permit, used_tokens: int) -> None:
        """Count what a call has cost, if Redis booked it and still counts it."""
        if permit.slot is not None and permit.slot.store == _NAME and used_tokens != permit.tokens:
            more = used_tokens - permit.tokens
            self._send("correct", self._key("booked"), permit.slot.number, more)

    def cache_result(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep an answer until its time is over or Redis needs the room; one that is too large is not kept."""
        if len(value) <= MAX_VALUE_BYTES:
            self._send("cache_result", self._key(f"answer:{key}"), value, int(ttl_s * 1000))

    async def close(self) -> None:
        """Send what is to be sent and disconnect."""
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
        """Send a message whose answer nobody waits for."""
        if len(self._pending) < _MAX_PENDING:
            task = asyncio.create_task(self._sent(script, key, arguments))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)

    async def _sent(self, script: Literal["correct", "cache_result"], key: str, arguments: tuple[Any, ...]) -> None:
        connection = self._connection
        if connection is None:  # what it is about was asked over a connection that is lost
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
        """Return a key of the agent; the braces keep all of them on one node of a Redis Cluster."""
        return f"cognitive:{{{self._agent_uid}}}:{name}"

    def _on_recovered(self) -> None:
        if self._is_away:
            self._is_away = False
            _LOGGER.info("limits and cache are shared again", extra={"event": "LedgerFound"})

    async def _on_lost(self, connection: _Connection, error: Exception) -> None:
        if self._connection is connection:
            self._connection = None
            await connection.client.aclose()
        self._retry_at_s = time.monotonic() + _AWAY_S
        if not self._is_away:
            self._is_away = True
            extra = {"event": "LedgerLost", "reason": type(error).__name__}
            _LOGGER.warning("Redis is away: calls that have to be counted wait, there is no cache", extra=extra)


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
        message = "The file of the Redis URL holds none, such as rediss://:PASSWORD@redis.example:6379/0."
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
        return "The Redis of the agent's limits refuses the credentials in its URL; no model was called uncounted."
    if isinstance(error, ResponseError):
        kind = type(error).__name__
        return f"The Redis of the agent's limits does not count ({kind}); no model was called uncounted."
    return "The Redis of the agent's limits cannot be reached; no model was called uncounted."
