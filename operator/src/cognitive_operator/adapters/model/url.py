"""URLs of lists of models."""

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from cognitive_operator.adapters.http_client import redacted
from cognitive_operator.ports.model import ModelTarget

_VERSION: Final = re.compile(r"v\d+[a-z0-9]*")
_AZURE_API: Final = re.compile(r"/openai(/.*)?$")


def models_url(target: ModelTarget) -> str:
    """Return the URL of an endpoint's list of models, by the conventions of its provider.

    Raises:
        ValueError: The endpoint is not an HTTP URL.
    """
    parts = urlsplit(target.endpoint.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{redacted(target.endpoint)}: not an HTTP URL")
    path, query = parts.path.rstrip("/"), parts.query
    if target.provider == "azure":
        path, query = _azure(path, target.api_version)
    elif not any(_VERSION.fullmatch(segment) for segment in path.split("/")):
        path += "/v1"
    if target.provider == "anthropic":
        query = "limit=1000"
    return urlunsplit((parts.scheme, parts.netloc, f"{path}/models", query, ""))


def _azure(path: str, api_version: str | None) -> tuple[str, str]:
    """Return path and query of Azure's API for a resource, also when the endpoint includes the API's path."""
    resource = _AZURE_API.sub("", path).rstrip("/")
    return (f"{resource}/openai", f"api-version={api_version}") if api_version else (f"{resource}/openai/v1", "")
