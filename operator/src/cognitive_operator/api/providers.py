"""Who serves models, and where they answer when the agent does not say."""

from collections.abc import Mapping
from typing import Final, Literal

Provider = Literal["vllm", "openai", "azure", "anthropic", "google", "openaiCompatible"]

PUBLIC_ENDPOINTS: Final[Mapping[str, str]] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "google": "https://generativelanguage.googleapis.com/v1beta/openai",
}
"""The APIs that exist once in the world; of every other provider the agent names the endpoint."""
