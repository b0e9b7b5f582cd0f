"""Regular expressions of JSON Schemas, matched in linear time by the engine that pydantic has."""

from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema


@lru_cache(maxsize=256)
def matcher(pattern: str) -> SchemaValidator | None:
    """Return a matcher with linear run time, unlike Python's ``re``, or None.

    There is none for lookaround, back-references, atomic groups and invalid patterns.
    """
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern))
    except SchemaError:
        return None
