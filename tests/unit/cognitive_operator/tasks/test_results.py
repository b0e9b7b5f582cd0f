"""Verification of responses: subject, signature and content."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from cognitive_operator.api.wire import Completed, attempt_key
from cognitive_operator.errors import MessageError
from cognitive_operator.plan.attempt.verified_response import verified
from cognitive_operator.ports.broker import RetainedResponse

WIRE = Path(__file__).parents[3] / "contract" / "wire"
MASTER = b"m" * 32
GOLDEN: dict[str, Any] = json.loads((WIRE / "completed.json").read_text())
SUBJECT = f"agent.response.completed.default.{GOLDEN['agent_uid']}.{GOLDEN['task_uid']}.1"


def signed(data: bytes, subject: str = SUBJECT, attempt: int = 1, master: bytes = MASTER) -> RetainedResponse:
    key = attempt_key(master, GOLDEN["task_uid"], attempt)
    signature = hmac.new(key, subject.encode() + b"\n" + data, hashlib.sha256).hexdigest()
    return RetainedResponse(subject, {"Cognitive-Signature": signature}, data)


def reason_of(response: RetainedResponse) -> str:
    with pytest.raises(MessageError) as caught:
        verified(response, MASTER)
    return caught.value.reason


def test_a_signed_response_is_believed() -> None:
    namespace, key, content = verified(signed(json.dumps(GOLDEN).encode()), MASTER)
    assert (namespace, key.number) == ("default", 1)
    assert isinstance(content, Completed)


def test_a_response_without_a_signature_is_not() -> None:
    assert reason_of(RetainedResponse(SUBJECT, {}, json.dumps(GOLDEN).encode())) == "Unsigned"


@pytest.mark.parametrize("signature", ["00", "é", "z" * 64])
def test_nor_one_with_a_wrong_signature(signature: str) -> None:
    response = RetainedResponse(SUBJECT, {"Cognitive-Signature": signature}, json.dumps(GOLDEN).encode())
    assert reason_of(response) == "WrongSignature"


def test_nor_one_signed_with_another_attempts_key_or_master() -> None:
    data = json.dumps(GOLDEN).encode()
    assert reason_of(signed(data, attempt=2)) == "WrongSignature"
    assert reason_of(signed(data, master=b"x" * 32)) == "WrongSignature"


def test_nor_one_moved_to_another_subject() -> None:
    signature = signed(json.dumps(GOLDEN).encode()).headers
    moved = SUBJECT.replace("completed", "failed")
    assert reason_of(RetainedResponse(moved, signature, json.dumps(GOLDEN).encode())) == "WrongSignature"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"[" * 10_000,
        json.dumps(GOLDEN | {"schema_version": 2}).encode(),
        json.dumps(GOLDEN | {"confidence": 1e15}).encode(),
        json.dumps(GOLDEN | {"confidence": float("nan")}).encode(),
        json.dumps(GOLDEN | {"energy": {"delta": float("inf")}}).encode(),
        json.dumps(GOLDEN | {"task_uid": "another"}).encode(),
        json.dumps(GOLDEN | {"attempt": 2}).encode(),
        json.dumps({k: v for k, v in GOLDEN.items() if k != "usage"}).encode(),
    ],
)
def test_nor_malformed_content(data: bytes) -> None:
    assert reason_of(signed(data)) == "Malformed"


@pytest.mark.parametrize(
    "subject",
    ["", "agent.response.completed", "agent.response.done.ns.a.t.1", "agent.response.failed.ns.a.t.01", SUBJECT + ".x"],
)
def test_nor_foreign_subjects(subject: str) -> None:
    assert reason_of(signed(b"{}", subject=subject)) == "BadSubject"


def test_fields_of_a_later_minor_version_are_ignored() -> None:
    assert verified(signed(json.dumps(GOLDEN | {"new_field": 1}).encode()), MASTER)
