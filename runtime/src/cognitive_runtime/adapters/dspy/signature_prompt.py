"""Prompt of a custom task type, for display."""

from collections.abc import Mapping
from typing import Any

from cognitive_runtime.adapters.dspy.calls.adapter import JSONAnswerAdapter
from cognitive_runtime.adapters.dspy.signatures.inputs import preamble
from cognitive_runtime.adapters.dspy.signatures.modules import build_module
from cognitive_runtime.domain import AgentSettings, TaskSignature


def signature_prompt(
    signature: TaskSignature, given: Mapping[str, Any], agent: AgentSettings | None
) -> list[dict[str, Any]]:
    """Return the messages that ask for the outputs. Those of the steps of ReAct before them are not included.

    Args:
        signature: The task type.
        given: Values of the inputs.
        agent: Settings with role and system prompt; None: without them.
    """
    module: Any = build_module(signature).module
    predictor = module.predictors()[-1]
    adapter = JSONAnswerAdapter(preamble(agent) if agent else "")
    messages: list[dict[str, Any]] = adapter.format(predictor.signature, predictor.demos, given)
    return messages
