"""Names that no input and no output of a signature may have. They are those that a CognitiveSignature refuses."""

from keyword import kwlist
from typing import Final

_RESULT: Final = frozenset(
    {
        "reasoning",
        "thought",
        "thought_process",
        "output",
        "trajectory",
        "next_thought",
        "next_tool_name",
        "next_tool_args",
    }
)
"""Keys that a task, its output schema or a module adds to the outputs."""
_PROMPT: Final = frozenset(
    {
        "memory_context",
        "energy_context",
        "lifecycle_context",
        "role_probabilities",
        "rubric",
        "requirements",
        "further_constraints",
        "further_input",
    }
)
"""Inputs that every task type has: the task's context and constraints."""
_LIBRARIES: Final = frozenset(
    {
        "self",
        "signature",
        "new_signature",
        "demos",
        "config",
        "lm",
        "prediction",
        "max_iters",
        "completions",
        "append",
        "append_instructions",
        "construct",
        "copy",
        "delete",
        "dict",
        "dump_state",
        "equals",
        "fields",
        "from_orm",
        "input_fields",
        "insert",
        "instructions",
        "json",
        "load_state",
        "mro",
        "output_fields",
        "parse_file",
        "parse_obj",
        "parse_raw",
        "prepend",
        "register",
        "schema",
        "schema_json",
        "update_forward_refs",
        "validate",
        "with_instructions",
        "with_updated_fields",
    }
)
"""Arguments and attributes of the signatures and modules of DSPy, and of pydantic's models."""
_PREFIX: Final = "model_"
"""Beginning of the names of pydantic's own attributes."""
RESERVED: Final = _RESULT | _PROMPT | _LIBRARIES | frozenset(kwlist)


def is_reserved(name: str) -> bool:
    """Return True if no input and no output may have the name."""
    return name in RESERVED or name.startswith(_PREFIX)
