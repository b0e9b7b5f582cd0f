"""Agent, in process and as a Ray actor."""

from cognitive_runtime.ray_agent import RayAgent

__all__ = ["RayAgent"]
