"""The golden files of the wire, read and written by the operator."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from pydantic import ValidationError

from cognitive_operator.api import names, wire
from cognitive_operator.api.wire_execution import ExecutionSettings
from cognitive_operator.api.wire_model import WireModel
from support.builders.golden_wire import WIRE, golden

WRITTEN: dict[str, type[WireModel]] = {
    "request.json": wire.Request,
    "request_all_settings.json": wire.Request,
    "request_custom.json": wire.Request,
    "request_deliberation.json": wire.Request,
    "request_proposal.json": wire.Request,
    "request_serve.json": wire.Request,
    "request_tools.json": wire.Request,
    "request_variant.json": wire.Request,
    "execution.json": ExecutionSettings,
    "execution_public.json": ExecutionSettings,
    "execution_warm_slots.json": ExecutionSettings,
    "stop.json": wire.Stop,
    "drain.json": wire.Drain,
}
READ: dict[str, type[WireModel]] = {
    "claim.json": wire.Claim,
    "claim_side_effects.json": wire.Claim,
    "lease.json": wire.Lease,
    "lease_features.json": wire.Lease,
    "completed.json": wire.Completed,
    "completed_reasoning.json": wire.Completed,
    "completed_deliberation.json": wire.Completed,
    "completed_variant.json": wire.Completed,
    "completed_tools.json": wire.Completed,
    "failed.json": wire.Failed,
    "failed_variant.json": wire.Failed,
    "failed_credentials.json": wire.Failed,
    "failed_no_progress.json": wire.Failed,
    "failed_quota.json": wire.Failed,
    "failed_tools_unavailable.json": wire.Failed,
}


@pytest.mark.parametrize(("name", "model"), WRITTEN.items())
def test_what_the_operator_writes_is_the_golden_file_field_by_field(name: str, model: type[WireModel]) -> None:
    message = model.model_validate_json(golden(name))
    assert json.loads(message.model_dump_json()) == json.loads(golden(name))


@pytest.mark.parametrize(("name", "model"), READ.items())
def test_what_the_operator_reads_keeps_every_value_that_it_knows(name: str, model: type[WireModel]) -> None:
    message = model.model_validate_json(golden(name))
    known = json.loads(message.model_dump_json())
    content = json.loads(golden(name))
    assert {field: content[field] for field in known} == known


@pytest.mark.parametrize(("name", "model"), [*WRITTEN.items(), *READ.items()])
def test_later_fields_are_ignored_and_later_versions_refused(name: str, model: type[WireModel]) -> None:
    assert model.model_validate_json(golden(name, later="field")) == model.model_validate_json(golden(name))
    with pytest.raises(ValidationError, match="schema_version"):
        model.model_validate_json(golden(name, schema_version=2))


def test_every_golden_message_has_a_model() -> None:
    assert {path.name for path in WIRE.glob("*.json")} == {*WRITTEN, *READ, "signature.json"}


@pytest.mark.parametrize(
    ("name", "model", "changes"),
    [
        ("completed.json", wire.Completed, {"confidence": 1.01}),
        ("completed.json", wire.Completed, {"status": "failed"}),
        ("completed.json", wire.Completed, {"duration_ms": -1}),
        ("completed.json", wire.Completed, {"result": [1]}),
        ("failed.json", wire.Failed, {"error_type": "no class: $(x)"}),
        ("failed.json", wire.Failed, {"retry_after_seconds": -1}),
        ("failed.json", wire.Failed, {"attempt": 0}),
        ("completed.json", wire.Completed, {"calls": {"count": -1}}),
        ("completed.json", wire.Completed, {"calls": {"repairs": 2**31}}),
        ("completed.json", wire.Completed, {"calls": {"latencies_ms": [1] * 257}}),
        ("completed.json", wire.Completed, {"calls": {"latencies_ms": [-1]}}),
        ("completed.json", wire.Completed, {"variant": ["hosted"]}),
        ("claim.json", wire.Claim, {"state": "begun"}),
        ("claim.json", wire.Claim, {"side_effects": "perhaps"}),
        ("completed_tools.json", wire.Completed, {"operations": [{"number": 1}]}),
        ("completed_tools.json", wire.Completed, {"artifacts": [{"name": "a", "size_bytes": -1, "sha256": ""}]}),
        ("lease.json", wire.Lease, {"capacity": -1}),
    ],
)
def test_values_outside_the_contract_are_refused(name: str, model: type[WireModel], changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate_json(golden(name, **changes))


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[]", b"null", b"[" * 10_000, b'{"schema_version": NaN}', b'{"schema_version": "1"}'],
    ids=["empty", "not UTF-8", "a list", "null", "deep", "NaN", "a version as text"],
)
@pytest.mark.parametrize("model", READ.values())
def test_garbage_is_a_validation_error_and_nothing_worse(model: type[WireModel], content: bytes) -> None:
    with pytest.raises(ValidationError):
        model.model_validate_json(content)


def test_more_calls_of_tools_than_a_status_holds_are_refused() -> None:
    operation = json.loads(golden("completed_tools.json"))["operations"][0]
    kept = wire.Completed.model_validate_json(golden("completed_tools.json", operations=[operation] * 100))
    assert len(kept.operations) == 100
    with pytest.raises(ValidationError):
        wire.Completed.model_validate_json(golden("completed_tools.json", operations=[operation] * 101))


def test_nan_in_a_result_is_refused() -> None:
    content = golden("completed.json").replace(b'"delta": 0.17', b'"delta": NaN')
    assert b"NaN" in content
    with pytest.raises(ValidationError):
        wire.Completed.model_validate_json(content)


def test_a_request_shows_no_key_and_no_input() -> None:
    request = wire.Request.model_validate_json(golden("request.json"))
    assert request.attempt_key not in repr(request)
    assert "incident_001" not in repr(request)


def test_a_request_names_where_its_input_is() -> None:
    ref = {"bucket": "results-a", "name": "t.1.input", "size_bytes": 300_000, "sha256": "ab" * 32}
    request = wire.Request.model_validate_json(golden("request.json", input={}, input_ref=ref))
    assert json.loads(request.model_dump_json())["input_ref"] == ref


def test_keys_and_signatures_are_those_of_the_golden_vector() -> None:
    vector = json.loads(golden("signature.json"))
    key = wire.attempt_key(bytes.fromhex(vector["master_key_hex"]), vector["task_uid"], vector["attempt"])
    assert key.hex() == vector["attempt_key"] == json.loads(golden("request.json"))["attempt_key"]
    payload = vector["payload"].encode()
    assert wire.is_signed(key, vector["subject"], payload, vector["signature"])
    assert hmac.new(key, b"nats-msg-id", hashlib.sha256).hexdigest() == vector["msg_id"]


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("subject", "agent.response.completed.default.a.b.2"),
        ("payload", '{"schema_version":1} '),
        ("signature", "00" * 32),
        ("signature", ""),
        ("signature", "é"),
    ],
)
def test_a_signature_of_anything_else_is_wrong(part: str, value: str) -> None:
    vector = json.loads(golden("signature.json")) | {part: value}
    key = bytes.fromhex(vector["attempt_key"])
    assert not wire.is_signed(key, vector["subject"], vector["payload"].encode(), vector["signature"])


def test_the_subject_of_the_vector_is_the_attempts() -> None:
    vector = json.loads(golden("signature.json"))
    completed = json.loads(golden("completed.json"))
    key = names.AttemptKey(completed["agent_uid"], completed["task_uid"], completed["attempt"])
    assert names.response_subject("completed", completed["namespace"], key) == vector["subject"]
    assert names.parse_response_subject(vector["subject"]) == ("completed", "default", key)
