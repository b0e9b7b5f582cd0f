"""``python -m bench.systems.slow_proxy``: a proxy to an API server that answers every request later.

The events of a watch pass without delay.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from aiohttp import web

from bench.kube.api_server import ApiServer, api_server_of

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "host", "content-length"}
MAX_BYTES = 64 * 1024 * 1024


class SlowProxy:
    """Delays and forwards requests with the credentials of the API server's kubeconfig."""

    def __init__(self, api: ApiServer, delay_s: float) -> None:
        self._api = api
        self._delay_s = delay_s

    def application(self) -> web.Application:
        """Return the web application."""
        application = web.Application(client_max_size=MAX_BYTES, handler_args={"max_line_size": 1 << 16})
        application.router.add_get("/_ready", self._ready)
        application.router.add_route("*", "/{path:.*}", self._forward)
        application.cleanup_ctx.append(self._connect)
        return application

    async def _connect(self, _: web.Application) -> AsyncIterator[None]:
        async with self._api.session() as self._session:
            yield

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        await asyncio.sleep(self._delay_s)
        async with self._session.request(
            request.method, request.path_qs, data=body or None, headers=_passed(request.headers), auto_decompress=False
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers=_passed(answer.headers))
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="slow_proxy", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="kubeconfig of the API server")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--delay", type=float, required=True, help="delay of each request in seconds")
    options = parser.parse_args()
    application = SlowProxy(api_server_of(options.kubeconfig), options.delay).application()
    web.run_app(application, host="127.0.0.1", port=options.port, access_log=None, print=None)


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}


if __name__ == "__main__":
    main()
