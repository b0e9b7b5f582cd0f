"""Identity of an installation: of all operators that share a signing key."""

import hashlib
import hmac
from typing import Final

_LABEL: Final = b"installation"
"""Differs from the label of every attempt's key, which has a dot."""
_CHARS: Final = 16


def installation_of(master_key: bytes) -> str:
    """Return the identity of the installation with a master key: 16 hex digits, from which no key can be derived.

    It is kept with the key, in the same Secret, and is lost and restored with it.
    """
    return hmac.digest(master_key, _LABEL, hashlib.sha256).hex()[:_CHARS]
