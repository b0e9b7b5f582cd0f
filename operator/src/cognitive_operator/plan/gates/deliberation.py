"""Checks of ``spec.deliberation`` that need a signature; the CRD has the others."""

from typing import Final

from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.resources import TaskSpec
from cognitive_operator.api.wire_signature import FieldShapePart, SignatureSnapshot
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.plan.gates.signature import UsedSignature

JUDGE_FIELD: Final = "spec.deliberation.selection.judgeRef.name"
CANDIDATES: Final = "candidates"
"""Input of a judge: the answers. Source of this and the next names: ``docs/reference/wire.md``."""
TASK: Final = "task"
BEST: Final = "best"
_OUTPUT: Final = "output"
"""Key of a result that satisfies ``spec.outputSchema``."""


def no_judge(judge: UsedSignature) -> GateResult | None:
    """Return the wait for the correction of a signature that cannot judge, or None."""
    fault = judge_fault(judge.snapshot)
    if fault is None:
        return None
    return GateResult(Reason.SIGNATURE_NOT_READY, f"{judge} ({JUDGE_FIELD}) cannot judge: {fault}.")


def judge_fault(snapshot: SignatureSnapshot) -> str | None:
    """Return the reason why a signature cannot judge, with the field's path in it, or None."""
    inputs = {each.name: each for each in snapshot.inputs}
    candidates = inputs.get(CANDIDATES)
    if candidates is None or candidates.type != "list" or not _is_string(candidates.items):
        return f"spec.inputs needs {CANDIDATES}, a list of strings"
    if TASK in inputs and not _is_string(inputs[TASK]):
        return f"spec.inputs: {TASK} must be a string"
    required = [each.name for each in snapshot.inputs if not each.optional and each.name not in (CANDIDATES, TASK)]
    if required:
        return f"spec.inputs: {required[0]} must be optional, because a deliberation gives {CANDIDATES} and {TASK} only"
    if not any(each.name == BEST and each.type == "integer" for each in snapshot.outputs):
        return f"spec.outputs needs {BEST}, an integer"
    return None


def absent_field(spec: TaskSpec, signature: UsedSignature) -> GateResult | None:
    """Return the wait of a Custom task whose majority counts a field that its signature does not have, or None."""
    field = spec.deliberation.selection.field if spec.deliberation is not None else None
    known = {each.name for each in signature.snapshot.outputs}
    known |= {_OUTPUT} if spec.output_schema is not None else set()
    if field is None or field in known:
        return None
    expected = ", ".join(sorted(known))
    message = f"{signature} has no output {field} (spec.deliberation.selection.field); it has {expected}."
    return GateResult(Reason.SIGNATURE_NOT_READY, message[:1024])


def _is_string(found: FieldShapePart | None) -> bool:
    return found is not None and found.type == "string"
