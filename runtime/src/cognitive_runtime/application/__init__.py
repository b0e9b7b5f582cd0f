"""Use cases of the runtime, in terms of the domain and its interfaces."""

from cognitive_runtime.application.answer_agent_task import AnswerAgentTask
from cognitive_runtime.application.deliberate import Deliberate
from cognitive_runtime.application.execute_agent_task import ExecuteAgentTask
from cognitive_runtime.application.generate_proposal import GenerateProposal
from cognitive_runtime.application.large_input import LargeInputReasoner
from cognitive_runtime.application.local_rate_limits import LocalLimits
from cognitive_runtime.application.members import IMemberReasoner, IMemberStore
from cognitive_runtime.application.placed_reasoner import PlacedReasoner
from cognitive_runtime.application.rate_limits import Limits, OpenRedis
from cognitive_runtime.application.shared_budget import SharedBudget
from cognitive_runtime.application.stop_signal import StopSignal
from cognitive_runtime.application.tool_run import ToolRun

__all__ = [
    "AnswerAgentTask",
    "Deliberate",
    "ExecuteAgentTask",
    "GenerateProposal",
    "IMemberReasoner",
    "IMemberStore",
    "LargeInputReasoner",
    "Limits",
    "LocalLimits",
    "OpenRedis",
    "PlacedReasoner",
    "SharedBudget",
    "StopSignal",
    "ToolRun",
]
