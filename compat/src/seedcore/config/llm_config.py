"""Configuration of the language model."""

from cognitive_runtime.cognitive_core import LLMConfig, configure_llm_openai

__all__ = ["LLMConfig", "configure_llm_openai"]
