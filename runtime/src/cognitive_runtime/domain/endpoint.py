"""Endpoint of a model, and logging of its calls."""

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit


@dataclass(frozen=True)
class ModelEndpoint:
    """A model on a server, with the server's own API key."""

    provider: str
    model: str
    endpoint: str
    api_key_file: str | None = None
    """Name of a file in the agent's folder of secrets."""
    api_version: str | None = None
    """Azure only: date of the API version; None: the unversioned API."""

    @property
    def address(self) -> str:
        """URL without user, password and query, which may be secret."""
        parts = urlsplit(self.endpoint)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@dataclass(frozen=True)
class LLMLogging:
    """Logging of model calls. Prompts and keys are never logged."""

    requests: bool = True
    """Log size, model and number of each call, and the class of its error."""
    responses: bool = False
    """Log the text of each answer."""
    tokens: bool = True
    """Log the tokens of each answer."""
