"""HTTP client of a Kubernetes API for many identities: each request carries the token of its caller."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

import aiohttp

from cognitive_runtime.adapters.kube.access import ClusterAccess
from cognitive_runtime.adapters.kube.refusals import refusal, unreachable
from cognitive_runtime.domain.call_refused import CallRefused

Body = dict[str, Any]
MERGE_PATCH: Final = "application/merge-patch+json"
USER_AGENT: Final = "cognitive-runtime-serve"
TIMEOUT_S: Final = 15.0
"""Time limit of a request, and of the beginning of a watch."""
WATCH_S: Final = 120
"""Duration after which the API server ends a watch, in seconds. A connection that died unnoticed is found then."""
_WATCH_SLACK_S: Final = 15.0
_LINE_BYTES: Final = 4 * 1024 * 1024
"""Maximum size of a watch event. A task has at most 1.5 MiB: etcd's limit."""


@dataclass(frozen=True)
class Caller:
    """Sender of a request: its bearer token, or None for the server's own identity."""

    token: str | None = field(repr=False)


@dataclass(frozen=True)
class Request:
    """One request to the API server."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    content_type: str = "application/json"


class KubeClient:
    """Sends requests. Belongs to one event loop.

    Callers' requests and those of the server's own identity use separate connections.
    """

    def __init__(self, access: ClusterAccess) -> None:
        self._access = access
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    @property
    def has_own_identity(self) -> bool:
        """True if requests without a caller's token are possible."""
        return self._access.own is not None

    async def request(self, caller: Caller, request: Request) -> Body:
        """Send a request and return the object in the answer.

        Raises:
            CallRefused: The API server refuses the request or does not answer; ``error_type`` tells which.
        """
        try:
            async with self._send(caller, request, aiohttp.ClientTimeout(total=TIMEOUT_S)) as response:
                content = await response.read()
                if response.status >= 300:
                    raise refusal(response.status, response.headers.get("Retry-After"), content)
            found: Body = json.loads(content)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a proxy's answer that is not JSON
            raise unreachable(error) from None
        return found

    async def watch(self, caller: Caller, path: str, query: Mapping[str, str]) -> AsyncGenerator[Body, None]:
        """Yield the events of a watch until the API server or the connection ends it.

        Raises:
            CallRefused: The API server refuses the watch, or the connection broke. ``retryable`` tells to begin again.
        """
        query = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_S)}
        limits = aiohttp.ClientTimeout(sock_connect=TIMEOUT_S, sock_read=WATCH_S + _WATCH_SLACK_S)
        try:
            async with self._send(caller, Request("GET", path, query), limits) as response:
                if response.status >= 300:
                    raise refusal(response.status, response.headers.get("Retry-After"), await response.read())
                async for line in response.content:
                    yield json.loads(line)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a line that was cut, or is too long
            raise unreachable(error) from None

    async def close(self) -> None:
        """Close the connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    @asynccontextmanager
    async def _send(
        self, caller: Caller, request: Request, limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        address = self._access.address
        headers = {"Accept": "application/json", "User-Agent": USER_AGENT, **self._authorization(caller)}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        async with self._session(is_own=caller.token is None).request(
            request.method,
            f"{address.server}{request.path}",
            params=dict(request.query),
            data=None if request.body is None else BytesIO(json.dumps(request.body).encode()),
            headers=headers,
            timeout=limits,
            allow_redirects=False,
            server_hostname=address.server_hostname,
            proxy=address.proxy,
        ) as response:
            yield response

    def _authorization(self, caller: Caller) -> dict[str, str]:
        token = caller.token
        if token is None:
            if self._access.own is None:
                raise CallRefused("Unauthorized", "the server has no identity of its own; send a bearer token")
            token = self._access.own.token()
        return {} if token is None else {"Authorization": f"Bearer {token}"}

    def _session(self, *, is_own: bool) -> aiohttp.ClientSession:
        if is_own not in self._sessions:
            own = self._access.own
            tls = own.tls if is_own and own else self._access.address.tls
            self._sessions[is_own] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=tls),
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=_LINE_BYTES // 2,
            )
        return self._sessions[is_own]
