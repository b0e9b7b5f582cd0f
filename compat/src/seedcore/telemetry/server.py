"""Status of the cognitive core."""

from cognitive_runtime.cognitive_serve import get_dspy_status

__all__ = ["get_dspy_status"]
