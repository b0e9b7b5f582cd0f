"""Version of a task type's prompt and schema, for the cache key."""

import hashlib
import json
from functools import cache
from importlib.metadata import version
from typing import Final

import dspy

from cognitive_runtime.adapters.dspy.schemas.signature_outputs import answer_schema, bounds_for, free_schema
from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.adapters.dspy.signatures.program import Program
from cognitive_runtime.adapters.dspy.signatures.prompt import system_message
from cognitive_runtime.domain import CognitiveTaskType

_ANY_TOKENS: Final = 1024


def signature_version(task_type: CognitiveTaskType, program: Program | None = None) -> str:
    """Return a digest of the prompt, the fields and the schema of a task type, of its program, and of the release."""
    own = _signature_version(task_type)
    return f"{own}.{program.digest}" if program else own


@cache
def _signature_version(task_type: CognitiveTaskType) -> str:
    return prompt_version(SIGNATURES[task_type].signature)


def prompt_version(signature: type[dspy.Signature]) -> str:
    """Return a digest of the prompt, the fields and the schema of a signature, and of the release."""
    bounds = bounds_for(signature, _ANY_TOKENS)
    everything = dict.fromkeys(signature.input_fields, "")
    parts = [
        version("cognitive-runtime"),
        system_message("", signature, everything, None),
        system_message("", signature, everything, bounds),
        free_schema(signature),
        answer_schema(signature, bounds),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
