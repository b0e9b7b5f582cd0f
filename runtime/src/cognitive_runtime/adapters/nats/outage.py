"""Reason why a client has no connection to the broker, in words that name no secret."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import nats.errors

from cognitive_runtime.adapters.worker.ports import BrokerProblem

UNREACHABLE: Final = "BrokerUnreachable"
NOT_MOUNTED: Final = "CredentialsNotMounted"
_SERVER_TEXT_CHARS: Final = 200
_REFUSALS: Final = ("authoriz", "authentic")
"""Parts of the server's errors about credentials: ``Authorization Violation``, ``User Authentication Expired``."""


def credentials_file(paths: Sequence[Path]) -> Path | None:
    """Return the first file that exists and is not empty, None without one."""
    return next((path for path in paths if _has_content(path)), None)


def broker_problem(servers: Sequence[str], paths: Sequence[Path], error: Exception) -> BrokerProblem:
    """Return the problem that an error of the NATS client describes.

    Args:
        servers: URLs of the broker.
        paths: Paths at which the agent's credentials may be.
        error: The error of the last attempt to connect.
    """
    urls = ", ".join(redacted(url) for url in servers) or "no URL"
    path = credentials_file(paths)
    if not is_refusal(error):
        return BrokerProblem(UNREACHABLE, f"No connection to the broker at {urls}: {_cause(error, path)}.")
    if path is None and paths:
        files = " and ".join(str(each) for each in paths)
        message = f"The broker at {urls} requires credentials, and these files are absent or empty: {files}."
        return BrokerProblem(NOT_MOUNTED, message)
    what = f"the credentials in {path}" if path else "a connection without credentials"
    return BrokerProblem(UNREACHABLE, f"The broker at {urls} refuses {what}.")


def is_refusal(error: Exception) -> bool:
    """Return True if the server refuses the client's credentials or their absence."""
    text = str(error).lower()
    return isinstance(error, nats.errors.Error) and any(part in text for part in _REFUSALS)


def redacted(url: str) -> str:
    """Return a URL without user, password, path and query."""
    try:
        parts = urlsplit(url if "://" in url else f"nats://{url}")
    except ValueError:
        return "an invalid URL"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _cause(error: Exception, path: Path | None) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        number = error.errno or 0
        return os.strerror(number) if number > 0 else error.strerror or type(error).__name__
    if isinstance(error, nats.errors.NoServersError):
        return "no server answers"
    if isinstance(error, nats.errors.Error):
        return str(error)[:_SERVER_TEXT_CHARS].rstrip(".")
    about = f" (credentials in {path})" if path else ""
    return f"{type(error).__name__}{about}"


def _has_content(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False
