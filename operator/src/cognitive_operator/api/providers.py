"""Model providers and their public endpoints."""

from collections.abc import Mapping
from typing import Final, Literal

Provider = Literal["vllm", "openai", "azure", "anthropic", "google", "openaiCompatible"]

PUBLIC_ENDPOINTS: Final[Mapping[str, str]] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "google": "https://generativelanguage.googleapis.com/v1beta/openai",
}
"""Public APIs. The other providers have none: the agent's ``endpoint`` is required."""
