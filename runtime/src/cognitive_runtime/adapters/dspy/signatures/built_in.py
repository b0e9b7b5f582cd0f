"""The six task types as typed DSPy signatures. Their docstrings and descriptions are the prompts.

The first output of each is the model's reasoning, so that every answer is a chain of thought. ``dspy.ChainOfThought``
would add a field ``reasoning``, which collides with the field of the same name in a decision.
"""

from dataclasses import dataclass
from typing import Any, Final

import dspy

from cognitive_runtime.domain import CognitiveTaskType

BINDING_INPUTS: Final = frozenset({"constraints", "requirements", "rubric", "further_constraints"})
"""Inputs that an answer must satisfy."""
MATERIAL_INPUTS: Final = frozenset(
    {
        "incident_context",
        "agent_capabilities",
        "available_resources",
        "historical_data",
        "available_tools",
        "memory_fragments",
        "agent_performance_data",
        "current_capabilities",
        "target_capabilities",
        "further_input",
        "memory_context",
        "energy_context",
        "lifecycle_context",
    }
)
"""Inputs that are evidence. Text in them, such as a log or a message, must not instruct the model."""


class CognitiveSignature(dspy.Signature):
    """Common inputs of every task type. A value of None is not part of the prompt.

    They come before the inputs of a type in the message, except those that bind the answer.
    """

    memory_context: Any = dspy.InputField(
        desc="Your memory of earlier work. Use it only where it concerns this task.", default=None
    )
    energy_context: Any = dspy.InputField(
        desc="The cost of your reasoning so far. It tells nothing about the task.", default=None
    )
    lifecycle_context: Any = dspy.InputField(
        desc="Your own record. Use it to judge how far to trust yourself.", default=None
    )
    role_probabilities: Any = dspy.InputField(
        desc="Your inclination, from 0 to 1, to explore new ways (E), to rely on your speciality (S) and to optimise "
        "(O). It decides only between answers that are equally good.",
        default=None,
    )
    rubric: Any = dspy.InputField(desc="The criteria by which your answer will be judged.", default=None)
    requirements: Any = dspy.InputField(desc="Each of them must be met.", default=None)
    further_constraints: Any = dspy.InputField(desc="Further limits of your answer.", default=None)
    further_input: Any = dspy.InputField(desc="More about the task.", default=None)


class FailureAnalysis(CognitiveSignature):
    """Find the cause of a failure and propose a solution.

    A good answer names the component that failed and the evidence that shows the cause. Tell the cause from its
    symptoms: the error that came first often explains the louder ones after it, and a recent change is a suspect,
    not a proof. If several causes fit, take the most likely one and give the check that would decide. Use only
    names, numbers and messages that the input has. If a fact is missing, name it instead of guessing it.
    """

    incident_context: Any = dspy.InputField(desc="The incident: messages, state, events, circumstances.")
    thought: str = dspy.OutputField(
        desc="The cause: the failed component, the evidence, and why other causes fit less.", min_length=1
    )
    proposed_solution: str = dspy.OutputField(
        desc="The change that removes the cause: object, field and value, or command, and how to see that it worked.",
        min_length=1,
    )
    confidence_score: float | None = dspy.OutputField(
        desc="The probability that cause and solution are right. Above 0.9 only if the evidence proves them, about 0.5 "
        "if another cause fits as well, below 0.3 for a guess.",
        ge=0,
        le=1,
    )


class TaskPlanning(CognitiveSignature):
    """Plan a task in steps that can be carried out with what is given.

    A good plan reaches the goal of the task with the given capabilities and resources and with no others. Each step
    is one action on a named object and has a result that can be checked. No step comes before another that it
    needs. Backups, tests and a way back come before steps that can do damage; a check of the goal comes last. Every
    limit of time, people or money is kept, and every demand on the plan is met by a step that says so. A capability
    with a low score is a risk: plan a review, a rehearsal or help for it.
    """

    task_description: Any = dspy.InputField(desc="The task and its goal.")
    agent_capabilities: Any = dspy.InputField(desc="Capabilities of the agent; scores are from 0 to 1.", default=None)
    available_resources: Any = dspy.InputField(desc="Time, people, systems and tools for the task.", default=None)
    thought: str = dspy.OutputField(
        desc="The approach: its order, the critical step, and how limits and demands are kept.", min_length=1
    )
    step_by_step_plan: list[str] = dspy.OutputField(desc="The steps, in order, without numbers.", min_length=1)
    estimated_complexity: int = dspy.OutputField(
        desc="1 is one safe step, 5 several dependent steps with known means, 10 irreversible steps on new ground.",
        ge=1,
        le=10,
    )
    complexity_rationale: str = dspy.OutputField(desc="The facts of this task that make it that complex.", min_length=1)
    risk_assessment: list[str] = dspy.OutputField(
        desc="Each risk with the step that it threatens and what limits it. The worst first."
    )


class DecisionMaking(CognitiveSignature):
    """Decide between options.

    If options are given, the decision is exactly one of them: do not merge, change or invent options. First rule
    out every option that violates a constraint of the decision. Weigh the others by benefit, risk, cost and the way
    back if it goes wrong. Earlier outcomes count by their number and by their likeness to this case. Without given
    options, state the two or three that the situation allows and choose one.
    """

    decision_context: Any = dspy.InputField(
        desc="The decision: the situation, the options, and each constraint that the decision must keep."
    )
    historical_data: Any = dspy.InputField(desc="Earlier decisions and their outcomes.", default=None)
    reasoning: str = dspy.OutputField(
        desc="The options that are ruled out and why, then the weights of the others.", min_length=1
    )
    decision: str = dspy.OutputField(
        desc="The chosen option, in the words of the input if it gives options.", min_length=1
    )
    confidence: float | None = dspy.OutputField(
        desc="The probability that the decision will prove better than the alternatives. Above 0.9 only if they are "
        "ruled out, about 0.5 if two are equal, lower if decisive facts are missing.",
        ge=0,
        le=1,
    )
    alternative_options: list[str] = dspy.OutputField(
        desc="The other options that violate no constraint, the best first. Never the decision itself."
    )


class ProblemSolving(CognitiveSignature):
    """Solve a problem within its limits.

    A good solution removes the cause of the problem, not only its signs. If the cause is not known, the first steps
    find it by measurement. Use only the tools that are given, each for what it can do. No step violates a limit,
    not even for a short time. Steps that can do damage are small, come after a test and can be undone.
    """

    problem_statement: Any = dspy.InputField(desc="The problem.")
    constraints: Any = dspy.InputField(desc="Limits of the solution.", default=None)
    available_tools: Any = dspy.InputField(desc="Tools that the solution may use.", default=None)
    thought: str = dspy.OutputField(
        desc="The likely cause, what is known and unknown, and what each limit rules out.", min_length=1
    )
    solution_approach: str = dspy.OutputField(
        desc="The solution in a few sentences: what changes, and why it removes the cause.", min_length=1
    )
    solution_steps: list[str] = dspy.OutputField(
        desc="The steps, in order, without numbers, each with its tool.", min_length=1
    )
    success_metrics: list[str] = dspy.OutputField(
        desc="Measurements that show the solution, each with a target value and a time."
    )


class MemorySynthesis(CognitiveSignature):
    """Combine fragments of memory into one insight.

    A good insight answers the goal, rests on several fragments and says more than any of them alone. Order the
    fragments by time, whatever their order in the input, and translate those in other languages. A later fragment
    can correct an earlier one. Events that coincide need not be cause and effect: say which link is shown and which
    is assumed. Leave out fragments that do not concern the goal, and name contradictions. Add no facts of your own.
    """

    memory_fragments: Any = dspy.InputField(desc="The fragments: notes, events, observations.")
    synthesis_goal: Any = dspy.InputField(desc="The question that the insight must answer.", default=None)
    thought: str = dspy.OutputField(
        desc="The fragments that concern the goal, in order of time, and the links between them.", min_length=1
    )
    synthesized_insight: str = dspy.OutputField(
        desc="The insight and what follows from it, with the names and numbers of the fragments.", min_length=1
    )
    confidence_level: float | None = dspy.OutputField(
        desc="The probability that the insight is true. Above 0.9 only if several independent fragments show it, about "
        "0.5 if a link is assumed, below 0.3 if fragments contradict it.",
        ge=0,
        le=1,
    )
    related_patterns: list[str] = dspy.OutputField(
        desc="Patterns that at least two fragments share. An empty list if there are none."
    )


class CapabilityAssessment(CognitiveSignature):
    """Assess the capabilities of an agent or a team against a target.

    Compare each capability of the target with its current value, and state both. A target that is reached is no
    gap. A capability without a current value is unknown: measure it first. Measured performance weighs more than a
    stated score; name any contradiction between the two. Put first the gap that explains the worst performance, not
    the one with the largest difference. Each improvement is an action with a measure and a target value.
    """

    agent_performance_data: Any = dspy.InputField(desc="Measured performance.")
    current_capabilities: Any = dspy.InputField(desc="Current capabilities; scores are from 0 to 1.", default=None)
    target_capabilities: Any = dspy.InputField(desc="Capabilities that are wanted.", default=None)
    thought: str = dspy.OutputField(
        desc="Each capability: current value, target, difference, and the performance that it explains.", min_length=1
    )
    capability_gaps: list[str] = dspy.OutputField(
        desc="Each gap by the name that the input gives it, with current value and target. Empty if there is none."
    )
    improvement_plan: list[str] = dspy.OutputField(
        desc="The actions that close the gaps, in order, without numbers.", min_length=1
    )
    priority_recommendations: list[str] = dspy.OutputField(
        desc="The gaps to close first, each with the reason. The most urgent first."
    )


@dataclass(frozen=True)
class TypeSignature:
    """Signature of a task type, with the names of its reasoning and confidence outputs."""

    signature: type[dspy.Signature]
    """Signature of the answer. A module may add outputs to those of the task type."""
    thought: str
    """Empty if no output is the model's reasoning."""
    confidence: str | None = None
    hidden: frozenset[str] = frozenset()
    """Outputs that the module adds, which are no part of the result."""


SIGNATURES: Final = {
    CognitiveTaskType.FAILURE_ANALYSIS: TypeSignature(FailureAnalysis, "thought", "confidence_score"),
    CognitiveTaskType.TASK_PLANNING: TypeSignature(TaskPlanning, "thought"),
    CognitiveTaskType.DECISION_MAKING: TypeSignature(DecisionMaking, "reasoning", "confidence"),
    CognitiveTaskType.PROBLEM_SOLVING: TypeSignature(ProblemSolving, "thought"),
    CognitiveTaskType.MEMORY_SYNTHESIS: TypeSignature(MemorySynthesis, "thought", "confidence_level"),
    CognitiveTaskType.CAPABILITY_ASSESSMENT: TypeSignature(CapabilityAssessment, "thought"),
}
