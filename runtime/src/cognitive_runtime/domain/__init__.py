"""The domain: what agents, tasks, attempts and their outcomes are. Knows no framework, no clock and no network."""

from cognitive_runtime.domain.agent_config import AgentConfig
from cognitive_runtime.domain.endpoint import LLMLogging, ModelEndpoint
from cognitive_runtime.domain.errors import (
    BadRequest,
    Cancelled,
    ContentRefused,
    ContextLengthExceeded,
    CredentialsNotMounted,
    DeadlineExceeded,
    EmptyResponse,
    InternalError,
    InvalidRequest,
    LeaseLost,
    ModelTimeout,
    ModelUnavailable,
    OutputParseError,
    RateLimited,
    ReasoningError,
    RetryableReasoningError,
    TruncatedResponse,
)
from cognitive_runtime.domain.generation import Message, VLLMRequest, VLLMResponse
from cognitive_runtime.domain.ports import (
    IAsyncExecutor,
    IClock,
    IModelSource,
    IReasoner,
    IResultPublisher,
    IVLLMClient,
)
from cognitive_runtime.domain.request import AgentSettings, ExecutionMode, ExecutionRequest, LLMSettings
from cognitive_runtime.domain.result import AgentResult, AttemptOutcome, FailureResult, Reasoning
from cognitive_runtime.domain.role import AgentRole, describe_role, parse_role
from cognitive_runtime.domain.task import AgentTask, CognitiveContext, CognitiveTaskType
from cognitive_runtime.domain.usage import Usage

__all__ = [
    "AgentConfig",
    "AgentResult",
    "AgentRole",
    "AgentSettings",
    "AgentTask",
    "AttemptOutcome",
    "BadRequest",
    "Cancelled",
    "CognitiveContext",
    "CognitiveTaskType",
    "ContentRefused",
    "ContextLengthExceeded",
    "CredentialsNotMounted",
    "DeadlineExceeded",
    "EmptyResponse",
    "ExecutionMode",
    "ExecutionRequest",
    "FailureResult",
    "IAsyncExecutor",
    "IClock",
    "IModelSource",
    "IReasoner",
    "IResultPublisher",
    "IVLLMClient",
    "InternalError",
    "InvalidRequest",
    "LLMLogging",
    "LLMSettings",
    "LeaseLost",
    "Message",
    "ModelEndpoint",
    "ModelTimeout",
    "ModelUnavailable",
    "OutputParseError",
    "RateLimited",
    "Reasoning",
    "ReasoningError",
    "RetryableReasoningError",
    "TruncatedResponse",
    "Usage",
    "VLLMRequest",
    "VLLMResponse",
    "describe_role",
    "parse_role",
]
