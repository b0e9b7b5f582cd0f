"""Servers that behave as the APIs of well-known models do, for tests of the runtime's client."""

from support.model_servers.base import ModelDouble
from support.model_servers.gateways import GemmaTemplate, LiteLLMGateway, LlamaCppPython, OldLlamaCpp, OpenRouter
from support.model_servers.openai_models import GPT5, OSeries
from support.model_servers.thinking_models import GPTOSS, DeepSeekReasoner, Magistral, Qwen3

ALL = (
    GPT5,
    OSeries,
    DeepSeekReasoner,
    Qwen3,
    GPTOSS,
    Magistral,
    LlamaCppPython,
    OldLlamaCpp,
    LiteLLMGateway,
    GemmaTemplate,
    OpenRouter,
)

__all__ = [
    "ALL",
    "GPT5",
    "GPTOSS",
    "DeepSeekReasoner",
    "GemmaTemplate",
    "LiteLLMGateway",
    "LlamaCppPython",
    "Magistral",
    "ModelDouble",
    "OSeries",
    "OldLlamaCpp",
    "OpenRouter",
    "Qwen3",
]
