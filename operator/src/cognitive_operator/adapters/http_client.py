"""Asks HTTP servers that users name: bounded in time and in size, and never sent elsewhere."""

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
"""A server that accepts and never answers holds this many connections, and nobody else's."""


class HttpError(Exception):
    """There is no usable answer; the text says why and where, without credentials."""


@dataclass(frozen=True)
class HttpRequest:
    """One request."""

    method: str
    url: str
    timeout_s: float
    max_bytes: int
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HttpResponse:
    """What a server said."""

    status: int
    content: bytes
    location: str | None

    @property
    def json(self) -> Any:
        """The content as JSON, None if it is none."""
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(self.content)
        return None

    @property
    def text(self) -> str:
        """The content on one line, cut to what fits a message."""
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

    async def ask(self, question: HttpRequest, on_chunk: Callable[[], None] | None = None) -> HttpResponse:
        """Return the answer, whatever its status.

        Args:
            question: What to ask.
            on_chunk: Called with each piece of the answer that has come.

        Raises:
            WebError: No answer in time, an endless one, or a URL or header that cannot be sent.
        """
        assert self._session is not None, "enter the client first"
        try:
            async with self._session.request(
                question.method,
                question.url,
                json=question.body,
                headers={"User-Agent": MANAGER, "Accept-Encoding": "identity", **question.headers},
                timeout=aiohttp.ClientTimeout(total=question.timeout_s),
                allow_redirects=False,
            ) as response:
                content = await _read(response, question, on_chunk)
                return HttpResponse(response.status, content, response.headers.get("Location"))
        except TimeoutError as error:
            raise HttpError(f"{shown(question.url)}: no answer within {question.timeout_s:g} s") from error
        except ValueError as error:  # a URL or a header that aiohttp refuses to send; its text may hold either
            raise HttpError(f"{shown(question.url)}: the URL or the credentials hold what HTTP cannot carry") from error
        except (aiohttp.ClientError, OSError) as error:
            raise HttpError(f"{shown(question.url)}: {describe(error)}") from error


def shown(url: str) -> str:
    """Return a URL for messages: without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the URL"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


async def _read(response: aiohttp.ClientResponse, question: HttpRequest, on_chunk: Callable[[], None] | None) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        content += chunk
        if on_chunk is not None:
            on_chunk()
        if len(content) > question.max_bytes:
            raise HttpError(f"{shown(question.url)}: the answer is larger than {question.max_bytes} bytes")
    return bytes(content)
