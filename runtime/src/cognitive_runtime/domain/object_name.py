"""Names of Kubernetes objects."""

import re
from typing import Final

_MAX_CHARS: Final = 253
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def is_object_name(text: str) -> bool:
    """Tell that a text is a DNS subdomain of RFC 1123, as names of Kubernetes objects are."""
    return len(text) <= _MAX_CHARS and _NAME.fullmatch(text) is not None
