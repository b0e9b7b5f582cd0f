"""HTTP server of the API, by uvicorn."""

import logging
import socket
from typing import Final, TypeAlias

import uvicorn
from fastapi import FastAPI

App: TypeAlias = FastAPI
"""Application that a server runs."""
_LOGGER: Final = logging.getLogger(__name__)


def run_server(app: App, host: str, port: int, grace_s: int) -> None:
    """Serve until SIGTERM or SIGINT. Running calls then have ``grace_s`` seconds to end."""
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=grace_s
    )
    _Server(config).run()


class _Server(uvicorn.Server):
    """Logs its address once it accepts connections."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen. uvicorn ends the process with status 3 if the port is taken."""
        await super().startup(sockets)
        if self.started:
            host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
            url = f"http://{host}:{self.config.port}"
            _LOGGER.info("HTTP API is ready; %s/docs shows its operations", url, extra={"event": "Serving", "url": url})
