"""Descriptions of malformed messages and objects that show no content of them."""

from pydantic import ValidationError


def first_fault(error: ValidationError) -> str:
    """Return field and fault of the first error, without the content, which may be private."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, fault['loc'])) or 'JSON'}: {fault['msg']}"
