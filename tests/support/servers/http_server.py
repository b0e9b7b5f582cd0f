"""The HTTP API on a real socket, in a thread of its own."""

import socket
import threading
import time
from collections.abc import Callable
from typing import Self

import uvicorn
from starlette.applications import Starlette

from support.servers.runners import stop_accepting

START_TIMEOUT_S = 60.0


class HttpServer:
    """Server of an application, which is created in the server's thread."""

    def __init__(self, make_app: Callable[[], Starlette]) -> None:
        self._make_app = make_app
        self._server: uvicorn.Server | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        """Address of the API."""
        assert self._server is not None
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        end = time.monotonic() + START_TIMEOUT_S
        while self._server is None or not self._server.started:
            if self._failure or time.monotonic() > end:
                raise RuntimeError("the HTTP server did not start") from self._failure
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.should_exit = True
        self._thread.join(START_TIMEOUT_S)

    def _serve(self) -> None:
        try:
            config = uvicorn.Config(self._make_app(), host="127.0.0.1", port=0, log_config=None, access_log=False)
            self._server = _Server(config)
            self._server.run()
        except BaseException as error:
            self._failure = error


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            await stop_accepting(server.sockets)
        await super().shutdown(sockets)
