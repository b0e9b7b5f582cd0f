"""HTTP client for servers that users name: bounded in time and in size, without redirects."""

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from cognitive_operator.adapters.ongoing_errors import describe
from cognitive_operator.api.names import MANAGER

_CHUNK: Final = 64 * 1024
_CONNECTIONS_PER_HOST: Final = 16
"""Limit for each host, so that a server that never answers holds no connections of others."""


class HttpError(Exception):
    """A request without a usable answer; the message names URL and cause, without credentials."""


@dataclass(frozen=True)
class HttpRequest:
    """A request with its limits."""

    method: str
    url: str
    timeout_s: float
    max_bytes: int
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HttpResponse:
    """An answer, of any status."""

    status: int
    content: bytes
    location: str | None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        """The content parsed as JSON, None if it is malformed."""
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(self.content)
        return None

    @property
    def text(self) -> str:
        """The content on one line, at most 300 characters, for messages."""
        return " ".join(self.content[:4096].decode("utf-8", "replace").split())[:300]


class HttpClient:
    """A pool of connections; keeps no cookies and follows no redirects, so that no credential leaves its host."""

    def __init__(self, *, proxies: bool) -> None:
        self._proxies = proxies
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=_CONNECTIONS_PER_HOST),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=self._proxies,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, request: HttpRequest, on_chunk: Callable[[], None] | None = None) -> HttpResponse:
        """Send a request and return the answer, of any status.

        Args:
            request: The request.
            on_chunk: Called after each received piece of the answer.

        Raises:
            HttpError: No answer in time, a larger one than ``max_bytes``, or a URL or header that cannot be sent.
        """
        assert self._session is not None, "enter the client first"
        try:
            async with self._session.request(
                request.method,
                request.url,
                json=request.body,
                headers={"User-Agent": MANAGER, "Accept-Encoding": "identity", **request.headers},
                timeout=aiohttp.ClientTimeout(total=request.timeout_s),
                allow_redirects=False,
            ) as response:
                content = await _read(response, request, on_chunk)
                return HttpResponse(response.status, content, response.headers.get("Location"), response.headers)
        except TimeoutError as error:
            raise HttpError(f"{redacted(request.url)}: no answer within {request.timeout_s:g} s") from error
        except ValueError as error:  # a URL or a header that aiohttp refuses to send; its text may hold either
            raise HttpError(
                f"{redacted(request.url)}: the URL or the credentials contain characters that HTTP does not allow"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise HttpError(f"{redacted(request.url)}: {describe(error)}") from error


def redacted(url: str) -> str:
    """Return a URL without user, password, query and fragment, for messages."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the URL"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


async def _read(response: aiohttp.ClientResponse, request: HttpRequest, on_chunk: Callable[[], None] | None) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        content += chunk
        if on_chunk is not None:
            on_chunk()
        if len(content) > request.max_bytes:
            raise HttpError(f"{redacted(request.url)}: the answer is larger than {request.max_bytes} bytes")
    return bytes(content)
