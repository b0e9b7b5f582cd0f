"""Claims, leases and control messages as the runtime writes and reads them."""

import json

import pytest

from cognitive_runtime.adapters import wire
from support.builders.golden_wire import golden
from support.builders.learnt_behaviour import LEARNT


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("claim.json", wire.Claim),
        ("claim_side_effects.json", wire.Claim),
        ("lease.json", wire.Lease),
        ("lease_features.json", wire.Lease),
    ],
)
def test_claims_and_leases_round_trip(name: str, model: type[wire.Claim] | type[wire.Lease]) -> None:
    assert json.loads(model.model_validate_json(golden(name)).encode()) == json.loads(golden(name))


def test_the_golden_lease_names_every_feature_of_the_runtime() -> None:
    lease = wire.Lease.model_validate_json(golden("lease_features.json"))
    assert lease.features == tuple(sorted(wire.FEATURES))
    assert tuple(part.behaviour() for part in lease.learnt) == LEARNT


def test_a_value_that_is_no_claim_is_refused() -> None:
    assert wire.parse_claim(golden("claim.json")).state == "running"
    with pytest.raises(wire.WireError, match="claim_id"):
        wire.parse_claim(b"{}")


@pytest.mark.parametrize(("name", "model"), [("stop.json", wire.Stop), ("drain.json", wire.Drain)])
def test_control_messages_are_told_apart(name: str, model: type) -> None:
    message = wire.parse_control(golden(name))
    assert isinstance(message, model)
    assert json.loads(message.encode()) == json.loads(golden(name))


def test_an_unknown_control_message_is_refused() -> None:
    with pytest.raises(wire.WireError):
        wire.parse_control(b'{"schema_version": 1, "action": "explode"}')
