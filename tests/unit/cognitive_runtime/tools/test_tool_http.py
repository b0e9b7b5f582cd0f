"""The HTTP client of MCP servers reads no more than its bound."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from cognitive_runtime.adapters.tools.http import MAX_RESPONSE_BYTES, ResponseSize, bounded_client

PART = b"x" * 65536


class Endless(httpx2.AsyncByteStream):
    """Body that never ends, and counts what was read."""

    read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.read += len(PART)
            yield PART

    async def aclose(self) -> None:
        return


def client_of(body: httpx2.AsyncByteStream, size: ResponseSize, **headers: str) -> httpx2.AsyncClient:
    client = bounded_client("token-1", 5, size)
    shown = {name.replace("_", "-"): value for name, value in headers.items()}

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.headers["Authorization"] == "Bearer token-1"
        assert request.headers["Accept-Encoding"] == "identity"
        return httpx2.Response(200, headers=shown, stream=body)

    client._transport = httpx2.MockTransport(answer)
    return client


async def test_a_body_without_an_end_is_read_up_to_the_bound() -> None:
    body, size = Endless(), ResponseSize()
    async with client_of(body, size) as client:
        with pytest.raises(httpx2.StreamError, match="more than 4194304 bytes"):
            await client.get("http://shop.test/mcp")
    assert size.is_exceeded
    assert body.read <= MAX_RESPONSE_BYTES + len(PART)
    size.reset()
    assert not size.is_exceeded


async def test_a_compressed_body_is_not_read() -> None:
    body, size = Endless(), ResponseSize()
    async with client_of(body, size, content_encoding="gzip") as client:
        with pytest.raises(httpx2.StreamError, match="compressed"):
            await client.get("http://shop.test/mcp")
    assert body.read == 0
