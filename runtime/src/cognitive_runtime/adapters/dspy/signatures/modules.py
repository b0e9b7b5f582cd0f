"""DSPy modules of custom task types, built once for each generation and content of a signature."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import dspy

from cognitive_runtime.adapters.dspy.signatures.built_in import CognitiveSignature, TypeSignature
from cognitive_runtime.adapters.dspy.signatures.types import input_field, output_field
from cognitive_runtime.adapters.dspy.signatures.version import prompt_version
from cognitive_runtime.domain import SignatureDemonstration, TaskSignature

MAX_BUILT: Final = 64
"""Signatures whose modules are kept. The least recently used ones are built again."""
_REASONING: Final = "reasoning"
"""Output that ChainOfThought and ReAct add: the model's reasoning."""


@dataclass(frozen=True)
class TaskModule:
    """Module that answers a task, with its signature and the version of its prompt."""

    task: TypeSignature
    module: dspy.Module
    version: str
    demos: tuple[Mapping[str, Any], ...] | None = None
    """Demonstrations in place of those of the module; None: those of the module."""

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of a call of the module, beside the inputs."""
        return {} if self.demos is None else {"demos": [dict(each) for each in self.demos]}


class SignatureModules:
    """Modules of the custom task types that this process has seen. Threads may share it."""

    def __init__(self) -> None:
        self._built: OrderedDict[tuple[str, int, str], TaskModule] = OrderedDict()

    def of(self, signature: TaskSignature) -> TaskModule:
        """Return the module of a signature, built at its first use."""
        key = (signature.name, signature.generation, signature.digest)
        found = self._built.pop(key, None) or build_module(signature)
        self._built[key] = found
        while len(self._built) > MAX_BUILT:
            self._built.popitem(last=False)
        return found


def build_module(signature: TaskSignature) -> TaskModule:
    """Return the module of a signature, with its demonstrations."""
    module, predictor = _module(signature, _typed(signature))
    for each in module.predictors():
        each.signature.__name__ = signature.name
    predictor.demos = [_demo(each) for each in signature.demonstrations]
    own = {each.name for each in signature.outputs}
    hidden = frozenset(predictor.signature.output_fields) - own
    task = TypeSignature(predictor.signature, _REASONING if hidden else "", signature.confidence, hidden)
    return TaskModule(task, module, f"{prompt_version(predictor.signature)}.{signature.digest}")


def _typed(signature: TaskSignature) -> type[dspy.Signature]:
    """Return the signature with the inputs that every task type has, and its own inputs and outputs."""
    common = {name: (info.annotation, info) for name, info in CognitiveSignature.input_fields.items()}
    own = {each.name: input_field(each) for each in signature.inputs}
    outputs = {
        each.name: output_field(each, each.name, is_confidence=each.name == signature.confidence)
        for each in signature.outputs
    }
    make: Any = dspy.Signature  # its call returns a new class
    found: type[dspy.Signature] = make({**common, **own, **outputs}, signature.instructions)
    return found


def _module(signature: TaskSignature, typed: type[dspy.Signature]) -> tuple[Any, dspy.Predict]:
    """Return the module, and its predictor that gives the outputs."""
    if signature.module == "ChainOfThought":
        chain = dspy.ChainOfThought(typed)
        return chain, chain.predict
    if signature.module == "ReAct":
        agent: Any = dspy.ReAct(typed, tools=[])
        return agent, agent.extract.predict
    predictor = dspy.Predict(typed)
    return predictor, predictor


def _demo(found: SignatureDemonstration) -> dict[str, Any]:
    return {name: value for name, value in (*found.input.items(), *found.output.items()) if value is not None}
