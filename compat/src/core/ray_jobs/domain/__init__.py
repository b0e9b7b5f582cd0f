"""Domain."""

from cognitive_runtime.domain import (
    AgentConfig,
    AgentResult,
    AgentRole,
    AgentTask,
    ExecutionRequest,
    FailureResult,
    IAsyncExecutor,
    IResultPublisher,
    IVLLMClient,
    VLLMRequest,
    VLLMResponse,
)

__all__ = [
    "AgentConfig",
    "AgentResult",
    "AgentRole",
    "AgentTask",
    "ExecutionRequest",
    "FailureResult",
    "IAsyncExecutor",
    "IResultPublisher",
    "IVLLMClient",
    "VLLMRequest",
    "VLLMResponse",
]
