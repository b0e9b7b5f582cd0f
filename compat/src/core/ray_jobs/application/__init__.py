"""Use cases."""

from cognitive_runtime.application import ExecuteAgentTask, GenerateProposal

__all__ = ["ExecuteAgentTask", "GenerateProposal"]
