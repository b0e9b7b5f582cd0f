"""HTTP server of the API, by uvicorn."""

import uvicorn
from fastapi import FastAPI


def run_server(app: FastAPI, host: str, port: int, grace_s: int) -> None:
    """Serve until SIGTERM or SIGINT. Running calls then have ``grace_s`` seconds to end."""
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=grace_s
    )
    uvicorn.Server(config).run()
