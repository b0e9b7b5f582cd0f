"""The six task types as typed DSPy signatures. Their docstrings are part of the prompts.

The first output of each is the model's reasoning, so that every answer is a chain of thought. ``dspy.ChainOfThought``
would add a field ``reasoning``, which collides with the field of the same name in a decision.
"""

from dataclasses import dataclass
from typing import Any, Final

import dspy

from cognitive_runtime.domain import CognitiveTaskType


class CognitiveSignature(dspy.Signature):
    """Common inputs of every task type. A value of None is not part of the prompt."""

    memory_context: Any = dspy.InputField(desc="What you remember.", default=None)
    energy_context: Any = dspy.InputField(desc="What your thinking has cost so far.", default=None)
    lifecycle_context: Any = dspy.InputField(desc="Your history and capability.", default=None)
    role_probabilities: Any = dspy.InputField(
        desc="How much you explore (E), specialise (S) and optimise (O).", default=None
    )
    rubric: Any = dspy.InputField(desc="How your answer will be judged.", default=None)
    requirements: Any = dspy.InputField(desc="What your answer must satisfy.", default=None)
    further_constraints: Any = dspy.InputField(desc="What else binds your answer.", default=None)
    further_input: Any = dspy.InputField(desc="More about the task.", default=None)


class FailureAnalysis(CognitiveSignature):
    """Find out why something failed and propose how to solve it."""

    incident_context: Any = dspy.InputField(desc="The incident: error message, state, circumstances.")
    thought: str = dspy.OutputField(desc="The most likely cause and how you came to it.", min_length=1)
    proposed_solution: str = dspy.OutputField(desc="What to do about it.", min_length=1)
    confidence_score: float | None = dspy.OutputField(desc="How sure you are.", ge=0, le=1)


class TaskPlanning(CognitiveSignature):
    """Plan a task in steps that the agent can take with the resources that it has."""

    task_description: Any = dspy.InputField(desc="The task.")
    agent_capabilities: Any = dspy.InputField(desc="What the agent can do.", default=None)
    available_resources: Any = dspy.InputField(desc="What there is to do it with.", default=None)
    thought: str = dspy.OutputField(desc="How you approach the task.", min_length=1)
    step_by_step_plan: list[str] = dspy.OutputField(desc="The steps, in order.", min_length=1)
    estimated_complexity: int = dspy.OutputField(desc="How hard the task is: 1 trivial, 10 hardest.", ge=1, le=10)
    complexity_rationale: str = dspy.OutputField(desc="Why it is that hard.", min_length=1)
    risk_assessment: list[str] = dspy.OutputField(desc="What can go wrong.")


class DecisionMaking(CognitiveSignature):
    """Decide between options by what is known and what happened before."""

    decision_context: Any = dspy.InputField(desc="The decision: options and constraints.")
    historical_data: Any = dspy.InputField(desc="Earlier decisions and how they went.", default=None)
    reasoning: str = dspy.OutputField(desc="How you weigh the options.", min_length=1)
    decision: str = dspy.OutputField(desc="What you decide.", min_length=1)
    confidence: float | None = dspy.OutputField(desc="How sure you are.", ge=0, le=1)
    alternative_options: list[str] = dspy.OutputField(desc="The next best options.")


class ProblemSolving(CognitiveSignature):
    """Solve a problem within its constraints with the tools at hand."""

    problem_statement: Any = dspy.InputField(desc="The problem.")
    constraints: Any = dspy.InputField(desc="What a solution must respect.", default=None)
    available_tools: Any = dspy.InputField(desc="What there is to solve it with.", default=None)
    thought: str = dspy.OutputField(desc="How you understand the problem.", min_length=1)
    solution_approach: str = dspy.OutputField(desc="The way to solve it.", min_length=1)
    solution_steps: list[str] = dspy.OutputField(desc="The steps, in order.", min_length=1)
    success_metrics: list[str] = dspy.OutputField(desc="How to see that it is solved.")


class MemorySynthesis(CognitiveSignature):
    """Synthesise fragments of memory into one insight."""

    memory_fragments: Any = dspy.InputField(desc="The fragments.")
    synthesis_goal: Any = dspy.InputField(desc="What the insight is for.", default=None)
    thought: str = dspy.OutputField(desc="What the fragments have in common.", min_length=1)
    synthesized_insight: str = dspy.OutputField(desc="The insight.", min_length=1)
    confidence_level: float | None = dspy.OutputField(desc="How sure you are.", ge=0, le=1)
    related_patterns: list[str] = dspy.OutputField(desc="Patterns that you see.")


class CapabilityAssessment(CognitiveSignature):
    """Assess what an agent can do against what it should be able to do."""

    agent_performance_data: Any = dspy.InputField(desc="How the agent has performed.")
    current_capabilities: Any = dspy.InputField(desc="What the agent can do.", default=None)
    target_capabilities: Any = dspy.InputField(desc="What it should be able to do.", default=None)
    thought: str = dspy.OutputField(desc="How the agent stands.", min_length=1)
    capability_gaps: list[str] = dspy.OutputField(desc="What is missing.")
    improvement_plan: list[str] = dspy.OutputField(desc="The steps to close the gaps, in order.", min_length=1)
    priority_recommendations: list[str] = dspy.OutputField(desc="What to do first.")


@dataclass(frozen=True)
class TaskSignature:
    """Signature of a task type, with the names of its reasoning and confidence outputs."""

    signature: type[dspy.Signature]
    thought: str
    confidence: str | None = None


SIGNATURES: Final = {
    CognitiveTaskType.FAILURE_ANALYSIS: TaskSignature(FailureAnalysis, "thought", "confidence_score"),
    CognitiveTaskType.TASK_PLANNING: TaskSignature(TaskPlanning, "thought"),
    CognitiveTaskType.DECISION_MAKING: TaskSignature(DecisionMaking, "reasoning", "confidence"),
    CognitiveTaskType.PROBLEM_SOLVING: TaskSignature(ProblemSolving, "thought"),
    CognitiveTaskType.MEMORY_SYNTHESIS: TaskSignature(MemorySynthesis, "thought", "confidence_level"),
    CognitiveTaskType.CAPABILITY_ASSESSMENT: TaskSignature(CapabilityAssessment, "thought"),
}
