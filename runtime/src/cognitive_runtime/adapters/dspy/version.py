"""Version of a task type's prompt and schema, for the cache key."""

import hashlib
import json
from functools import cache
from importlib.metadata import version
from typing import Final

from cognitive_runtime.adapters.dspy.prompt import system_message
from cognitive_runtime.adapters.dspy.schema import answer_schema, bounds_for
from cognitive_runtime.adapters.dspy.signatures import SIGNATURES
from cognitive_runtime.domain import CognitiveTaskType

_ANY_TOKENS: Final = 1024


@cache
def signature_version(task_type: CognitiveTaskType) -> str:
    """Return a digest of the prompt, the fields and the schema of a task type, and of the release."""
    signature = SIGNATURES[task_type].signature
    bounds = bounds_for(signature, _ANY_TOKENS)
    prompt = system_message("", signature, dict.fromkeys(signature.input_fields, ""), bounds)
    parts = [version("cognitive-runtime"), prompt, answer_schema(signature, bounds)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
