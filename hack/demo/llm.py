"""Which language model the demo thinks with."""

from collections.abc import Mapping
from dataclasses import dataclass

from servers.model import MODEL

OPENAI_ENDPOINT = "https://api.openai.com/v1"
OPENAI_MODEL = "gpt-4o-mini"


class LLMChoiceError(Exception):
    """The environment names a model by halves; the message says which variable is missing."""


@dataclass(frozen=True)
class LLMChoice:
    """An endpoint like OpenAI's."""

    provider: str
    model: str
    endpoint: str | None
    """None: the demo serves the small model itself."""
    api_key: str | None = None

    @property
    def is_local(self) -> bool:
        """True when the demo has to start the model."""
        return self.endpoint is None


def choose_llm(environ: Mapping[str, str]) -> LLMChoice:
    """Return the model that ``LLM_API_BASE`` and ``LLM_MODEL``, or ``OPENAI_API_KEY``, ask for; else the small one.

    Raises:
        LLMChoiceError: ``LLM_API_BASE`` without ``LLM_MODEL``.
    """
    base, model = environ.get("LLM_API_BASE"), environ.get("LLM_MODEL")
    openai_key = environ.get("OPENAI_API_KEY") or None
    if base:
        if not model:
            raise LLMChoiceError(f"LLM_API_BASE={base} needs LLM_MODEL, the name of a model that it serves")
        return LLMChoice("openaiCompatible", model, base.rstrip("/"), environ.get("LLM_API_KEY") or openai_key)
    if openai_key:
        return LLMChoice("openai", model or OPENAI_MODEL, OPENAI_ENDPOINT, openai_key)
    return LLMChoice("openaiCompatible", MODEL, None)
