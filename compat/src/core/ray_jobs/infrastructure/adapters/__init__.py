"""Adapters."""

from cognitive_runtime.adapters.asyncio_executor import AsyncioExecutor
from cognitive_runtime.adapters.model import VLLMHTTPClient
from cognitive_runtime.adapters.nats.publisher import NATSResultPublisher
from cognitive_runtime.adapters.ray.agent_executor import RayAgentExecutor

__all__ = ["AsyncioExecutor", "NATSResultPublisher", "RayAgentExecutor", "VLLMHTTPClient"]
