"""Signatures of responses."""

import hashlib
import hmac
from typing import Final

SIGNATURE_HEADER: Final = "Cognitive-Signature"
MESSAGE_ID_HEADER: Final = "Nats-Msg-Id"


def sign(attempt_key: str, subject: str, payload: bytes) -> str:
    """Return the signature of a response, in hex. ``attempt_key`` is in hex, too."""
    return hmac.new(bytes.fromhex(attempt_key), subject.encode() + b"\n" + payload, hashlib.sha256).hexdigest()


def message_id(attempt_key: str) -> str:
    """Return the message id of an attempt's response: equal for both outcomes, and secret until it is published."""
    return hmac.new(bytes.fromhex(attempt_key), b"nats-msg-id", hashlib.sha256).hexdigest()
