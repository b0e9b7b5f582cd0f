"""Cognitive core: typed reasoning with DSPy. The only package that imports DSPy."""

from cognitive_runtime.adapters.dspy.core import (
    CognitiveCore,
    get_cognitive_core,
    initialize_cognitive_core,
    set_cognitive_core,
)

__all__ = ["CognitiveCore", "get_cognitive_core", "initialize_cognitive_core", "set_cognitive_core"]
