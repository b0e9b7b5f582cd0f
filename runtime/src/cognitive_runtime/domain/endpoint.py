"""Where a model answers, and what is said of its calls."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelEndpoint:
    """A model on a server, with the key that belongs to this server alone."""

    provider: str
    model: str
    endpoint: str
    api_key_file: str | None = None
    """File name below the agent's directory of secrets."""
    api_version: str | None = None
    """Azure alone: the date of the API; None: the API without versions."""


@dataclass(frozen=True)
class LLMLogging:
    """What of each model call is logged. No setting logs prompts or keys."""

    requests: bool = True
    """Size, model and number of each call, and why it failed."""
    responses: bool = False
    """The text of each answer."""
    tokens: bool = True
    """The tokens of each answer."""
