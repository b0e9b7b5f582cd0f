"""HTTP client of MCP servers whose responses are bounded in size."""

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2

MAX_RESPONSE_BYTES: Final = 4 * 1024 * 1024
"""Maximum size of one HTTP response: an answer of 1 MiB, as text and as structured content, with the escapes of JSON.
The rest is not read."""
CONNECT_S: Final = 10.0


class ResponseSize:
    """Finding that a response was too large, since the last ``reset``."""

    def __init__(self) -> None:
        self.is_exceeded = False

    def reset(self) -> None:
        """Forget earlier responses."""
        self.is_exceeded = False


def bounded_client(token: str | None, timeout_s: float, size: ResponseSize) -> httpx2.AsyncClient:
    """Return a client that reads at most ``MAX_RESPONSE_BYTES`` of each response.

    Args:
        token: Bearer token; None: requests without authorization.
        timeout_s: Time limit of each read, in seconds.
        size: Told of a response that is larger.
    """

    async def bound(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":  # a few bytes could become gigabytes
            raise httpx2.StreamError("The response is compressed, which was not asked for.")
        response.stream = _BoundedStream(response.stream, size)

    headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {})
    limits = httpx2.Timeout(CONNECT_S, read=timeout_s)
    return httpx2.AsyncClient(headers=headers, timeout=limits, event_hooks={"response": [bound]})


class _BoundedStream(httpx2.AsyncByteStream):
    """Stream that ends with an error after ``MAX_RESPONSE_BYTES``."""

    def __init__(self, inner: Any, size: ResponseSize) -> None:
        self._inner = inner
        self._size = size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_RESPONSE_BYTES
        async for part in self._inner:
            left -= len(part)
            if left < 0:
                self._size.is_exceeded = True
                raise httpx2.StreamError(f"The response has more than {MAX_RESPONSE_BYTES} bytes.")
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()
