"""Command ``serve``: the HTTP API of a core beside a model, or of a cluster."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cognitive_runtime.adapters.json_logs import configure_logging
from cognitive_runtime.bootstrap.cluster_settings import ClusterSettings
from cognitive_runtime.config import ConfigError
from cognitive_runtime.llm_config import LLMConfigError

if TYPE_CHECKING:
    from cognitive_runtime.adapters.http.server import App

TOKEN_FILE: Final = "COGNITIVE_HTTP_TOKEN_FILE"
TOKEN: Final = "COGNITIVE_HTTP_TOKEN"
_EXTRA: Final = ("fastapi", "uvicorn")
_LOCAL_HOSTS: Final = ("127.0.0.1", "::1", "localhost")
_BAD_CONFIGURATION: Final = 2


@dataclass(frozen=True)
class HttpServerSettings:
    """Settings of the server."""

    host: str = "127.0.0.1"
    port: int = 8002
    """The port of SeedCore's API."""
    application: str = "cognitive_core"
    """Serve application that the status reports."""
    grace_s: int = 10
    """Time for running calls to end after SIGTERM."""
    cluster: ClusterSettings | None = None
    """None: a local core."""


def run_serve(settings: HttpServerSettings, environ: Mapping[str, str] = os.environ) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit status."""
    try:
        _require_extra()
        from cognitive_runtime.adapters.http.server import run_server

        app = _local_app(settings, environ) if settings.cluster is None else _cluster_app(settings, environ)
    except (ConfigError, LLMConfigError) as error:
        sys.stderr.write(f"cognitive-runtime: {error}\n")
        return _BAD_CONFIGURATION
    configure_logging((environ.get("LOG_LEVEL") or "INFO").upper(), {})
    run_server(app, settings.host, settings.port, settings.grace_s)
    return 0


def read_token(environ: Mapping[str, str]) -> str | None:
    """Return the bearer token from the file or the variable, or None if neither is set.

    Raises:
        ConfigError: The file cannot be read, or the token is empty or no printable ASCII.
    """
    path, found = environ.get(TOKEN_FILE, ""), environ.get(TOKEN)
    if path:
        try:
            found = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{TOKEN_FILE}: {path} cannot be read: {type(error).__name__}") from None
    if found is None:
        return None
    if not found or not found.isascii() or not found.isprintable() or " " in found:
        raise ConfigError(f"{TOKEN_FILE if path else TOKEN}: the token must be printable ASCII without spaces")
    return found


def _local_app(settings: HttpServerSettings, environ: Mapping[str, str]) -> "App":
    token = read_token(environ)
    _require_token_outside(settings.host, token)
    from cognitive_runtime.adapters.http.app import create_app
    from cognitive_runtime.bootstrap.core_service import local_api

    return create_app(local_api(None, token, settings.application))


def _cluster_app(settings: HttpServerSettings, environ: Mapping[str, str]) -> "App":
    found, cluster = [name for name in (TOKEN_FILE, TOKEN) if environ.get(name)], settings.cluster
    if found:
        raise ConfigError(f"{found[0]} has no effect on a cluster, whose API server checks each token; unset it")
    if cluster is not None and cluster.allows_own and settings.host not in _LOCAL_HOSTS:
        raise ConfigError(f"--allow-kubeconfig-user is for local use: serve on 127.0.0.1, not on {settings.host}")
    from cognitive_runtime.bootstrap.cluster import cluster_app

    return cluster_app(cluster or ClusterSettings(), environ)


def _require_token_outside(host: str, token: str | None) -> None:
    if token is None and host not in _LOCAL_HOSTS:
        raise ConfigError(
            f"--host {host} is reachable from other machines: set {TOKEN_FILE} or {TOKEN}, or serve on 127.0.0.1"
        )


def _require_extra() -> None:
    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        raise ConfigError(f"{', '.join(missing)} is not installed; install cognitive-runtime[serve]")
