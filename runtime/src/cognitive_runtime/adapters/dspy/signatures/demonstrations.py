"""Demonstrations of an agent, checked against the signatures of their task types."""

from dataclasses import replace
from typing import Any

from cognitive_runtime.adapters.dspy.answers.confidence import CONFIDENCE_FIELDS, read_confidence
from cognitive_runtime.adapters.dspy.answers.parsing import UnusableAnswer
from cognitive_runtime.adapters.dspy.answers.validation import check_outputs
from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.adapters.dspy.signatures.inputs import signature_inputs
from cognitive_runtime.domain import Demonstration, ExecutionRequest, InvalidRequest


def agent_demonstrations(request: ExecutionRequest) -> list[dict[str, Any]]:
    """Return the agent's demonstrations of the request's task type, with the names of the signature's fields.

    Raises:
        InvalidRequest: A demonstration does not match its task type. The message names it and the field.
    """
    numbered = enumerate(request.agent.demonstrations)
    return [_checked(request, number, each) for number, each in numbered if each.task_type == request.task_type]


def _checked(request: ExecutionRequest, number: int, found: Demonstration) -> dict[str, Any]:
    place = f"agent.demonstrations[{number}]"
    outputs = SIGNATURES[found.task_type].signature.output_fields
    unknown = sorted(set(found.output) - set(outputs))
    if unknown:
        raise InvalidRequest(f"{place}.output.{unknown[0]} is no output of {found.task_type.value}.")
    required = [name for name in outputs if name not in CONFIDENCE_FIELDS]
    missing = [name for name in required if found.output.get(name) in (None, "")]
    if missing:
        raise InvalidRequest(f"{place}.output.{missing[0]} is missing; {found.task_type.value} has this output.")
    return _inputs(request, place, found) | _typed(place, found)


def _inputs(request: ExecutionRequest, place: str, found: Demonstration) -> dict[str, Any]:
    """Return the inputs in the form of a task's inputs, without those that come from the agent."""
    agent = replace(request.agent, role_probabilities=None)
    alone = replace(request, input=found.input, context={}, constraints={}, agent=agent)
    try:
        given = signature_inputs(alone)
    except InvalidRequest as error:
        raise InvalidRequest(f"{place}.{error}") from None
    return {name: value for name, value in given.items() if value is not None}


def _typed(place: str, found: Demonstration) -> dict[str, Any]:
    signature = SIGNATURES[found.task_type].signature
    for name, value in found.output.items():
        is_text = signature.output_fields[name].annotation is str
        if is_text is not isinstance(value, str) and name not in CONFIDENCE_FIELDS:
            raise InvalidRequest(f"{place}.output.{name} must be {'a text' if is_text else 'no text'}.")
        if name in CONFIDENCE_FIELDS and read_confidence(value).value is None:
            raise InvalidRequest(f"{place}.output.{name} must be a number from 0 to 1.")
    try:
        typed = check_outputs(signature, found.output)
    except UnusableAnswer as error:
        raise InvalidRequest(f"{place}.output.{error}.") from None
    return {name: value for name, value in typed.items() if value is not None}
