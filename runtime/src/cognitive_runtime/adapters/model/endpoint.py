"""Normalization of model server URLs."""

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

_VERSION_SEGMENT: Final = re.compile(r"v\d+\w*")
_OPERATION: Final = "/chat/completions"


def base_url(url: str) -> str:
    """Return the base URL of ``chat/completions``.

    A path with a version (``/v1``, ``/v1beta/openai``) is kept; ``/v1`` is appended to any other path.
    """
    scheme, host, path, query, _ = urlsplit(url.strip())
    path = path.rstrip("/").removesuffix(_OPERATION).rstrip("/")
    if not any(_VERSION_SEGMENT.fullmatch(segment) for segment in path.split("/")):
        path += "/v1"
    return urlunsplit((scheme, host, path, query, ""))


def printable(url: str) -> str:
    """Return the URL without user, password and query, which may be secret."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
