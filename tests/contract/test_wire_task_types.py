"""Requests of the task types proposal and custom, as the runtime reads them."""

import json
from pathlib import Path
from typing import Any

import pytest

from cognitive_runtime.adapters import wire
from cognitive_runtime.domain import CognitiveTaskType, InvalidRequest, TaskSignature
from support.builders.golden_wire import WIRE, golden, golden_fields
from support.builders.signatures import snapshot, task_signature

CUSTOM = {"task_type": "custom", "input": {"ticket": "t"}, "output_schema": None}


@pytest.mark.parametrize("path", sorted(WIRE.glob("request*.json")), ids=lambda path: path.stem)
def test_every_golden_request_is_read(path: Path) -> None:
    expected = json.loads(path.read_bytes())
    request = wire.parse_request(path.read_bytes())
    assert request.task_type == expected["task_type"]
    assert request.input == expected["input"]
    found = expected.get("signature")
    assert (None if request.signature is None else request.signature.to_dict()) == (
        None if found is None else {"generation": 1, "module": "ChainOfThought", "demonstrations": []} | found
    )
    if request.signature is not None:
        request.signature.check_input(request.input)


def test_the_golden_proposal_is_a_proposal() -> None:
    request = wire.parse_request(golden("request_proposal.json"))
    assert request.task_type is CognitiveTaskType.PROPOSAL
    assert set(request.input) == {"task_description", "context", "diversity"}
    assert (request.signature, request.output_schema) == (None, None)


def test_a_signature_is_read_whole() -> None:
    request = wire.parse_request(golden("request.json", **CUSTOM, signature=snapshot()))
    assert request.task_type is CognitiveTaskType.CUSTOM
    assert request.signature == task_signature()
    assert isinstance(request.signature, TaskSignature)
    assert request.signature.to_dict() == snapshot()


def test_unknown_fields_of_a_signature_are_ignored() -> None:
    later = snapshot(later=1, inputs=[{"name": "ticket", "type": "string", "later": 1}], demonstrations=[])
    signature = wire.parse_request(golden("request.json", **CUSTOM, signature=later)).signature
    assert signature is not None
    assert [each.name for each in signature.inputs] == ["ticket"]


def test_the_golden_deliberation_has_a_judge() -> None:
    found = wire.parse_request(golden("request_deliberation.json")).deliberation
    assert found is not None
    assert (found.members, found.quorum, found.diversity, found.selection.method) == (3, 2, True, "Judge")
    assert found.selection.judge is not None
    assert (found.selection.judge.name, found.selection.judge.generation) == ("best-fix", 2)


def deliberated(**fields: Any) -> dict[str, Any]:
    own = {"members": 3, "quorum": 2, "diversity": False, "selection": {"method": "Majority", "field": "decision"}}
    return {"deliberation": own | fields}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (deliberated(members=9), r"deliberation\.members must be in 2\.\.8"),
        (deliberated(quorum=4), r"deliberation\.quorum must be in 1\.\.3"),
        (deliberated(selection={"method": "Majority"}), r"deliberation\.selection\.field must be there"),
        (deliberated(selection={"method": "Vote"}), r"deliberation\.selection\.method"),
        (
            deliberated(selection={"method": "Judge", "judge": snapshot()}),
            r"deliberation\.selection\.judge is no judge: the input candidates",
        ),
        (
            deliberated(selection={"method": "Judge", "judge": snapshot(module="Predict", generation=0)}),
            r"deliberation\.selection\.judge\.generation",
        ),
        (
            deliberated(selection={"method": "Judge", "judge": snapshot(outputs=[{"name": "a", "type": "enum"}])}),
            r"deliberation\.selection\.judge: signature triage: outputs\[0\]\.values",
        ),
    ],
)
def test_a_bad_deliberation_is_refused_by_field(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        wire.parse_request(golden("request.json", **fields))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"task_type": "custom"}, "signature must be there for the type custom"),
        ({"signature": snapshot()}, "signature must be there for the type custom, and only then"),
        (CUSTOM | {"signature": snapshot(generation=0)}, r"signature\.generation"),
        (CUSTOM | {"signature": snapshot(module="BestOfN")}, r"signature\.module"),
        (CUSTOM | {"signature": snapshot(inputs=[{"name": "a", "type": "text"}])}, r"signature\.inputs\.0\.type"),
        (
            CUSTOM | {"signature": snapshot(outputs=[{"name": "a", "type": "enum"}])},
            r"signature triage: outputs\[0\]\.values must have at least one value",
        ),
        ({"task_type": "proposal", "output_schema": {"type": "object"}}, "output_schema must be absent"),
    ],
)
def test_a_bad_signature_is_refused_by_field(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        wire.parse_request(golden("request.json", **fields))


@pytest.mark.parametrize("kind", ["custom", "proposal"])
def test_an_agents_demonstration_of_such_a_type_is_refused(kind: str) -> None:
    request = golden_fields("request.json")
    request["agent"]["demonstrations"] = [{"type": kind, "input": {}, "output": {}}]
    with pytest.raises(InvalidRequest, match=r"agent\.demonstrations"):
        wire.parse_request(json.dumps(request).encode())
