"""Selects the demo's language model."""

from collections.abc import Mapping
from dataclasses import dataclass

from servers.model import MODEL

OPENAI_ENDPOINT = "https://api.openai.com/v1"
OPENAI_MODEL = "gpt-4o-mini"


class LLMChoiceError(Exception):
    """A required environment variable is missing; the message names it."""


@dataclass(frozen=True)
class LLMChoice:
    """A model behind an OpenAI-compatible endpoint."""

    provider: str
    model: str
    endpoint: str | None
    """None: the demo serves the small local model."""
    api_key: str | None = None

    @property
    def is_local(self) -> bool:
        """True if the demo has to start the model."""
        return self.endpoint is None


def choose_llm(environ: Mapping[str, str]) -> LLMChoice:
    """Return the model of ``LLM_API_BASE`` and ``LLM_MODEL``, else of ``OPENAI_API_KEY``, else the small local model.

    Raises:
        LLMChoiceError: ``LLM_API_BASE`` is set without ``LLM_MODEL``.
    """
    base, model = environ.get("LLM_API_BASE"), environ.get("LLM_MODEL")
    openai_key = environ.get("OPENAI_API_KEY") or None
    if base:
        if not model:
            raise LLMChoiceError(f"LLM_API_BASE={base} needs LLM_MODEL: the name of a model at that endpoint")
        return LLMChoice("openaiCompatible", model, base.rstrip("/"), environ.get("LLM_API_KEY") or openai_key)
    if openai_key:
        return LLMChoice("openai", model or OPENAI_MODEL, OPENAI_ENDPOINT, openai_key)
    return LLMChoice("openaiCompatible", MODEL, None)
