"""The cognitive core: typed reasoning by DSPy. The only package that knows it."""

from cognitive_runtime.adapters.dspy.core import CognitiveCore, get_cognitive_core, initialize_cognitive_core

__all__ = ["CognitiveCore", "get_cognitive_core", "initialize_cognitive_core"]
