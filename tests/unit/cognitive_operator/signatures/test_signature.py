"""Checks of a signature that the CRD cannot make, and its snapshot in a request."""

import json
from pathlib import Path
from typing import Any

import pytest

from cognitive_operator.api.signatures import Signature
from cognitive_operator.desired.signature import desired_snapshot
from cognitive_operator.plan.gates.signature import signature_condition
from cognitive_operator.reconcile.state.signatures import SignatureStore
from support.builders import operator_objects as o

GOLDEN = Path(__file__).parents[3] / "contract" / "wire" / "request_custom.json"
EXAMPLE = {"input": {"log": "disk full"}, "output": {"severity": "high"}}


def text(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "string"} | more


def message(**spec: Any) -> str:
    ready = signature_condition(Signature.model_validate(o.signature_body(**spec)), 100)
    assert (ready.type, ready.status, ready.reason) == ("Ready", "False", "InvalidSignature")
    return ready.message


def test_a_valid_signature_is_ready() -> None:
    body = o.signature_body(
        demonstrations=[EXAMPLE, {"input": {"log": "x", "retries": 1}, "output": {"severity": "low"}}]
    )
    ready = signature_condition(Signature.model_validate(body), 65_536)
    assert (ready.status, ready.reason) == ("True", "Valid")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"demonstrations": [EXAMPLE, EXAMPLE | {"output": {"severity": "medium"}}]},
            "spec.demonstrations[1].output.severity: expected one of low, high.",
        ),
        (
            {"demonstrations": [EXAMPLE | {"input": {"retries": 1}}]},
            "spec.demonstrations[0].input.log: required, expected a string.",
        ),
        (
            {"demonstrations": [EXAMPLE | {"output": {"severity": "low", "thought": "x"}}]},
            "spec.demonstrations[0].output.thought: unknown, expected only severity.",
        ),
        (
            {"outputs": [{"name": "at", "type": "object", "properties": [text("x"), text("x")]}]},
            "spec.outputs[0].properties[1].name: x is there twice; rename one of the two.",
        ),
        (
            {"inputs": [{"name": "log", "type": "list", "items": {"type": "enum"}}]},
            "spec.inputs[0].items.values: required for type enum and for no other type.",
        ),
        ({"inputs": [text("log", minimum=2, maximum=1)]}, "spec.inputs[0].minimum: must not be above maximum."),
        (
            {"inputs": [text("log"), text("x", type="list")]},
            "spec.inputs[1].items: required for type list and for no other type.",
        ),
        (
            {"inputs": [text("log", type="object")]},
            "spec.inputs[0].properties: required for type object and for no other type.",
        ),
    ],
)
def test_a_fault_is_named_by_its_field(spec: dict[str, Any], expected: str) -> None:
    assert message(**spec) == expected


@pytest.mark.parametrize(("value", "is_ready"), [({}, True), ({"confidence": 0.9}, True), ({"confidence": 1.5}, False)])
def test_a_demonstrated_confidence_may_be_absent(value: dict[str, Any], is_ready: bool) -> None:
    outputs = [*o.signature_body()["spec"]["outputs"], {"name": "confidence", "type": "number"}]
    shown = {"input": {"log": "x"}, "output": {"severity": "low"} | value}
    found = signature_condition(Signature.model_validate(o.signature_body(outputs=outputs, demonstrations=[shown])), 1)
    assert found.is_true == is_ready


def test_the_limit_of_the_size_counts_bytes_of_the_snapshot() -> None:
    store = SignatureStore(lambda _: None)
    body = o.signature_body()
    size = len(desired_snapshot(Signature.model_validate(body)).model_dump_json())
    for version, (extra, is_ready) in enumerate([(0, True), (2, False)], start=1):
        longer = body["spec"]["instructions"] + "é" * ((65_536 - size + extra) // 2) + "." * (size % 2)
        record = store.upsert(o.signature_body(generation=version, version=version, instructions=longer))
        assert record is not None
        assert record.ready.is_true == is_ready
        assert is_ready or record.ready.message.startswith("spec: 65538 bytes of JSON, expected at most 65536; shorten")


def test_a_snapshot_is_that_of_the_golden_request() -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))["signature"]
    spec = _camel({name: value for name, value in golden.items() if name not in ("name", "generation")})
    snapshot = desired_snapshot(Signature.model_validate(o.signature_body(golden["generation"], **spec)))
    assert json.loads(snapshot.model_dump_json()) == golden


def _camel(value: Any) -> Any:
    names = {"max_length": "maxLength", "max_items": "maxItems"}
    if isinstance(value, dict):
        return {names.get(name, name): _camel(each) for name, each in value.items()}
    return [_camel(each) for each in value] if isinstance(value, list) else value
