"""Signatures of task types, and the modules, programs and prompts that are made from them."""

from cognitive_runtime.adapters.dspy.signatures.built_in import (
    CapabilityAssessment,
    DecisionMaking,
    FailureAnalysis,
    MemorySynthesis,
    ProblemSolving,
    TaskPlanning,
)

__all__ = [
    "CapabilityAssessment",
    "DecisionMaking",
    "FailureAnalysis",
    "MemorySynthesis",
    "ProblemSolving",
    "TaskPlanning",
]
