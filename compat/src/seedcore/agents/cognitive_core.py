"""Cognitive core."""

from cognitive_runtime.cognitive_core import (
    CognitiveContext,
    CognitiveCore,
    CognitiveTaskType,
    get_cognitive_core,
    initialize_cognitive_core,
)

__all__ = [
    "CognitiveContext",
    "CognitiveCore",
    "CognitiveTaskType",
    "get_cognitive_core",
    "initialize_cognitive_core",
]
