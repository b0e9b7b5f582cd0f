"""Readiness probes."""

import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable


def http_ok(url: str, context: ssl.SSLContext | None = None, timeout_s: float = 2.0) -> Callable[[], bool]:
    """Return a probe that is true when ``url`` answers with a status below 300."""

    def probe() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=timeout_s, context=context) as answer:
                return bool(answer.status < 300)
        except (OSError, urllib.error.URLError):
            return False

    return probe


def listens(port: int, timeout_s: float = 2.0) -> Callable[[], bool]:
    """Return a probe that is true when a port of 127.0.0.1 accepts connections."""

    def probe() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout_s):
                return True
        except OSError:
            return False

    return probe
