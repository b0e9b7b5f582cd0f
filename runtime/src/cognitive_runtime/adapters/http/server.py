"""HTTP server of the API, by uvicorn."""

from typing import TypeAlias

import uvicorn
from fastapi import FastAPI

App: TypeAlias = FastAPI
"""Application that a server runs."""


def run_server(app: App, host: str, port: int, grace_s: int) -> None:
    """Serve until SIGTERM or SIGINT. Running calls then have ``grace_s`` seconds to end."""
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=grace_s
    )
    uvicorn.Server(config).run()
