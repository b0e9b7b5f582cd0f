"""Messages between operator and runtime. Source: ``docs/reference/wire.md``."""

from cognitive_runtime.adapters.wire.control import Claim, Drain, Lease, Stop, parse_claim, parse_control
from cognitive_runtime.adapters.wire.deliberation import MAX_INLINE_MEMBERS_BYTES, MEMBERS_SUFFIX, other_results
from cognitive_runtime.adapters.wire.features import FEATURES
from cognitive_runtime.adapters.wire.learnt import Learnt, learnt_parts
from cognitive_runtime.adapters.wire.model import SCHEMA_VERSION, WireError
from cognitive_runtime.adapters.wire.requests import parse_rejected, parse_request
from cognitive_runtime.adapters.wire.responses import (
    MAX_INLINE_REASONING_BYTES,
    MAX_INLINE_RESULT_BYTES,
    REASONING_SUFFIX,
    ResultRef,
    encode_completed,
    encode_failed,
    encode_operations,
    encode_result,
    parse_outcome,
    response_subject,
)
from cognitive_runtime.adapters.wire.signatures import Signature
from cognitive_runtime.adapters.wire.signing import MESSAGE_ID_HEADER, SIGNATURE_HEADER, message_id, sign
from cognitive_runtime.adapters.wire.tools import MAX_INLINE_OPERATIONS, OPERATIONS_SUFFIX

__all__ = [
    "FEATURES",
    "MAX_INLINE_MEMBERS_BYTES",
    "MAX_INLINE_OPERATIONS",
    "MAX_INLINE_REASONING_BYTES",
    "MAX_INLINE_RESULT_BYTES",
    "MEMBERS_SUFFIX",
    "MESSAGE_ID_HEADER",
    "OPERATIONS_SUFFIX",
    "REASONING_SUFFIX",
    "SCHEMA_VERSION",
    "SIGNATURE_HEADER",
    "Claim",
    "Drain",
    "Learnt",
    "Lease",
    "ResultRef",
    "Signature",
    "Stop",
    "WireError",
    "encode_completed",
    "encode_failed",
    "encode_operations",
    "encode_result",
    "learnt_parts",
    "message_id",
    "other_results",
    "parse_claim",
    "parse_control",
    "parse_outcome",
    "parse_rejected",
    "parse_request",
    "response_subject",
    "sign",
]
