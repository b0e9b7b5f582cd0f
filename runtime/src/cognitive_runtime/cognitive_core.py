"""The cognitive core as a library, for programs without a cluster."""

from cognitive_runtime.adapters.dspy import InvalidProgram, JSONAnswerAdapter, ModuleRun, get_cognitive_core
from cognitive_runtime.bootstrap.library import CognitiveCore, initialize_cognitive_core
from cognitive_runtime.domain import (
    CognitiveContext,
    CognitiveTaskType,
    InvalidSignature,
    Reasoning,
    ReasoningError,
    TaskSignature,
)
from cognitive_runtime.llm_config import LLMConfig, LLMConfigError, configure_llm_openai

__all__ = [
    "CognitiveContext",
    "CognitiveCore",
    "CognitiveTaskType",
    "InvalidProgram",
    "InvalidSignature",
    "JSONAnswerAdapter",
    "LLMConfig",
    "LLMConfigError",
    "ModuleRun",
    "Reasoning",
    "ReasoningError",
    "TaskSignature",
    "configure_llm_openai",
    "get_cognitive_core",
    "initialize_cognitive_core",
]
