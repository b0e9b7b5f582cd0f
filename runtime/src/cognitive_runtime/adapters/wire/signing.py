"""What proves that a response comes from the attempt that it names."""

import hashlib
import hmac
from typing import Final

SIGNATURE_HEADER: Final = "Cognitive-Signature"
MESSAGE_ID_HEADER: Final = "Nats-Msg-Id"


def sign(attempt_key: str, subject: str, payload: bytes) -> str:
    """Return the hex signature of a response under the attempt's key (hex)."""
    return hmac.new(bytes.fromhex(attempt_key), subject.encode() + b"\n" + payload, hashlib.sha256).hexdigest()


def message_id(attempt_key: str) -> str:
    """Return the message id of an attempt's response: the same for both outcomes, and nobody else can guess it."""
    return hmac.new(bytes.fromhex(attempt_key), b"nats-msg-id", hashlib.sha256).hexdigest()
