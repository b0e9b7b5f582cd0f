"""The status of a CognitiveSignature."""

from collections.abc import Mapping
from typing import Any

from cognitive_operator.api.conditions import Condition, merge_conditions
from cognitive_operator.api.signatures import Signature


def signature_status(signature: Signature, raw: Mapping[str, Any], ready: Condition, now: str) -> dict[str, Any]:
    """Return the merge patch of a signature's status; ``raw`` is the status before the write."""
    generation = signature.metadata.generation
    conditions = merge_conditions(raw.get("conditions") or [], [ready], generation, now)
    return {"observedGeneration": generation, "conditions": conditions}
