"""Checks of signatures beyond those of the CRD, and the gate of tasks that use them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from cognitive_operator.api.conditions import Condition, Phase, Reason, SignatureCondition
from cognitive_operator.api.inputs import InputSource
from cognitive_operator.api.resources import SignatureVersion
from cognitive_operator.api.signatures import MAX_SIGNATURE_BYTES, FieldShape, NamedField, Signature, SignatureSpec
from cognitive_operator.api.wire_signature import SignatureSnapshot
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.plan.gates.inputs import InputNotReadyError, hopeless, source_label, unreadable
from cognitive_operator.plan.gates.signature_values import ValueFault, values_fault

SIGNATURE_FIELD: Final = "spec.signatureRef.name"
"""Field of a task that names its signature."""


@dataclass(frozen=True)
class UsedSignature:
    """A version of a signature that a task uses, whatever becomes of the CognitiveSignature."""

    namespace: str
    snapshot: SignatureSnapshot
    inputs: tuple[NamedField, ...]

    @classmethod
    def of(cls, namespace: str, snapshot: SignatureSnapshot) -> Self:
        """Return the version that a request carries."""
        inputs = tuple(NamedField.model_validate(each.model_dump()) for each in snapshot.inputs)
        return cls(namespace, snapshot, inputs)

    @property
    def version(self) -> SignatureVersion:
        """Name and generation."""
        return SignatureVersion(name=self.snapshot.name, generation=self.snapshot.generation)

    def __str__(self) -> str:
        """Return kind, name and generation for messages."""
        return f"CognitiveSignature {self.namespace}/{self.snapshot.name}, generation {self.snapshot.generation}"


def signature_condition(signature: Signature, snapshot_bytes: int) -> Condition:
    """Return the condition Ready of a signature whose snapshot in a request has ``snapshot_bytes`` bytes of JSON."""
    fault = signature_fault(signature.spec, snapshot_bytes)
    if fault is not None:
        return Condition.false(SignatureCondition.READY, Reason.INVALID_SIGNATURE, f"{fault}.")
    return Condition.true(SignatureCondition.READY, Reason.VALID, "Tasks can use the signature.")


def signature_fault(spec: SignatureSpec, snapshot_bytes: int) -> str | None:
    """Return the first fault of a signature, with the field's path; None: it is valid.

    The CRD checks most of it. Objects that an older CRD accepted, or that the CRD's rules cannot judge, end here.
    """
    if snapshot_bytes > MAX_SIGNATURE_BYTES:
        what = f"spec: {snapshot_bytes} bytes of JSON, expected at most {MAX_SIGNATURE_BYTES}"
        return f"{what}; shorten the instructions, the descriptions or the demonstrations"
    return next(_faults(spec), None)


def _faults(spec: SignatureSpec) -> Iterator[str]:
    yield from _shape_faults("spec.inputs", spec.inputs)
    yield from _shape_faults("spec.outputs", spec.outputs)
    for number, each in enumerate(spec.demonstrations):
        place = f"spec.demonstrations[{number}]"
        if (fault := values_fault(spec.inputs, each.input)) is not None:
            yield fault.within(f"{place}.input")
        if (fault := values_fault(_demonstrated(spec.outputs), each.output)) is not None:
            yield fault.within(f"{place}.output")


def _demonstrated(outputs: Sequence[NamedField]) -> list[NamedField]:
    """Return the outputs as demonstrations have them: a confidence may be absent, and is from 0 to 1."""
    bounds = {"minimum": 0, "maximum": 1, "optional": True}
    return [each.model_copy(update=bounds) if _is_confidence(each) else each for each in outputs]


def _is_confidence(field: NamedField) -> bool:
    """Return True for an output that becomes the confidence of the task's result."""
    has_bounds = field.minimum in (None, 0) and field.maximum in (None, 1)
    return field.name == "confidence" and field.type == "number" and has_bounds


def _shape_faults(place: str, fields: Sequence[NamedField]) -> Iterator[str]:
    """Yield faults of the types of named fields, at all levels."""
    seen = set[str]()
    for number, field in enumerate(fields):
        if field.name in seen:
            yield f"{place}[{number}].name: {field.name} is there twice; rename one of the two"
        seen.add(field.name)
        yield from _shape_fault(f"{place}[{number}]", field)


def _shape_fault(place: str, field: FieldShape) -> Iterator[str]:
    if (field.type == "list") != (field.items is not None):
        yield f"{place}.items: required for type list and for no other type"
    if (field.type == "object") != bool(field.properties):
        yield f"{place}.properties: required for type object and for no other type"
    if (field.type == "enum") != bool(field.values):
        yield f"{place}.values: required for type enum and for no other type"
    if field.minimum is not None and field.maximum is not None and field.minimum > field.maximum:
        yield f"{place}.minimum: must not be above maximum"
    if field.items is not None:
        yield from _shape_fault(f"{place}.items", field.items)
    yield from _shape_faults(f"{place}.properties", field.properties)


def absent(namespace: str, name: str, field: str = SIGNATURE_FIELD) -> GateResult:
    """Return the wait for a signature that does not exist; ``field`` is the field of the task that names it."""
    message = f"CognitiveSignature {namespace}/{name} ({field}) does not exist; waiting for it."
    return GateResult(Reason.SIGNATURE_NOT_FOUND, message)


def not_listed(namespace: str, name: str, field: str = SIGNATURE_FIELD) -> GateResult:
    """Return the wait for the first list of all signatures."""
    message = (
        f"The operator has not read CognitiveSignature {namespace}/{name} ({field}) yet. If this lasts, "
        "check that the CRD is installed and that the operator may list cognitivesignatures."
    )
    return GateResult(Reason.SIGNATURE_NOT_FOUND, message)


def not_ready(namespace: str, name: str, condition: Condition, field: str = SIGNATURE_FIELD) -> GateResult:
    """Return the wait for the correction of a signature."""
    message = f"CognitiveSignature {namespace}/{name} ({field}) is not Ready: {condition.message}"
    return GateResult(Reason.SIGNATURE_NOT_READY, message[:1024])


def input_fault(signature: UsedSignature, values: Mapping[str, Any], *, is_partial: bool = False) -> ValueFault | None:
    """Return the first fault of a task's input; ``is_partial`` is True while some input is not read yet."""
    return values_fault(signature.inputs, values, is_partial=is_partial)


def wrong_input(signature: UsedSignature, fault: ValueFault) -> GateResult:
    """Return the end of a task whose ``spec.input``, which cannot change, does not fit its signature."""
    message = f"{fault.within('spec.input')} ({signature})."
    return GateResult(Reason.INPUT_INVALID, message[:1024], Phase.FAILED, is_accepted=False)


def wrong_value(signature: UsedSignature, fault: ValueFault, source: InputSource | None) -> InputNotReadyError:
    """Return the result for input from another object that does not fit the task's signature.

    Args:
        signature: The task's signature.
        fault: The fault of the whole input.
        source: The entry of ``spec.inputFrom`` that the faulty key is from; None: it is from elsewhere, or missing.
    """
    if source is None:
        return InputNotReadyError(wrong_input(signature, fault))
    what = f"{source_label(signature.namespace, source)}: {fault.within('input')} ({signature})"
    if source.task_ref is not None:
        return hopeless(source, Reason.INPUT_INVALID, what)
    return unreadable(source, what)
