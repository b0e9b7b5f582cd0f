"""Use cases of the runtime, in terms of the domain and its interfaces."""

from cognitive_runtime.application.execute_agent_task import ExecuteAgentTask
from cognitive_runtime.application.generate_proposal import GenerateProposal
from cognitive_runtime.application.large_input import LargeInputReasoner
from cognitive_runtime.application.limits import Limits, OpenRedis
from cognitive_runtime.application.local_limits import LocalLimits
from cognitive_runtime.application.placed_reasoner import PlacedReasoner
from cognitive_runtime.application.stop_signal import StopSignal

__all__ = [
    "ExecuteAgentTask",
    "GenerateProposal",
    "LargeInputReasoner",
    "Limits",
    "LocalLimits",
    "OpenRedis",
    "PlacedReasoner",
    "StopSignal",
]
