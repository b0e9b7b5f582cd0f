"""Tools on the wire: requests, operations and artifacts of responses, and side effects of claims."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from cognitive_runtime.adapters import wire
from cognitive_runtime.domain import AgentResult, Artifact, FailureResult, InvalidRequest
from support.builders.golden_wire import golden_fields


def encoded(found: Any) -> bytes:
    return json.dumps(found).encode()


def completed() -> AgentResult:
    outcome = wire.parse_outcome(encoded(golden_fields("completed_tools.json")))
    assert isinstance(outcome, AgentResult)
    return outcome


def test_the_tools_of_a_request_are_read_whole() -> None:
    expected = golden_fields("request_tools.json")
    tools = wire.parse_request(encoded(expected)).tools
    assert tools is not None
    found = json.loads(json.dumps(asdict(tools)))
    for server in expected["tools"]["servers"]:
        server.setdefault("headers_file", None)
    expected["tools"]["workspace"]["path"] = None
    assert found == expected["tools"]


def test_a_request_without_tools_has_none_and_limits_have_defaults() -> None:
    assert wire.parse_request(encoded(golden_fields("request.json"))).tools is None
    request = golden_fields("request.json") | {"tools": {"workspace": {"kind": "EmptyDir"}}}
    tools = wire.parse_request(encoded(request)).tools
    assert tools is not None
    assert (tools.max_operations, tools.max_iterations, tools.servers) == (100, 10, ())
    assert tools.workspace is not None
    assert tools.workspace.read_only


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"max_operations": 0}, "max_operations"),
        ({"max_operations": 1001}, "max_operations"),
        ({"max_iterations": 51}, "max_iterations"),
        ({"servers": [], "workspace": None}, "servers"),
        ({"servers": [{"name": "Bad Name", "url": "http://x"}]}, "name"),
        ({"servers": [{"name": "workspace", "url": "http://x"}]}, "name"),
        ({"servers": [{"name": "a", "url": "stdio:///bin/sh"}]}, "url"),
        ({"servers": [{"name": "a", "url": "http://x", "headers_file": "../key"}]}, "headers_file"),
        ({"servers": [{"name": "a", "url": "http://x", "timeout_seconds": 0}]}, "timeout_seconds"),
        ({"servers": [{"name": "a", "url": "http://x", "allow": [""]}]}, "allow"),
        ({"servers": [{"name": "a", "url": "http://x"}] * 2}, "servers"),
        ({"workspace": {"kind": "Docker"}}, "workspace.kind"),
        ({"workspace": {"kind": "PersistentVolume"}}, "path"),
        ({"workspace": {"kind": "PersistentVolume", "path": "relative"}}, "path"),
        ({"workspace": {"kind": "EmptyDir", "path": "/etc"}}, "path"),
        ({"workspace": {"kind": "Git", "url": "http://git.example.com/a"}}, "url"),
        ({"workspace": {"kind": "Git", "url": "ext::sh -c id"}}, "url"),
        ({"workspace": {"kind": "Git", "url": "https://x", "ref": "--upload-pack=id"}}, "ref"),
        ({"workspace": {"kind": "EmptyDir", "ref": "main"}}, "ref"),
    ],
)
def test_tools_out_of_range_are_refused_by_field(changes: dict[str, Any], named: str) -> None:
    request = golden_fields("request_tools.json")
    request["tools"] |= changes
    with pytest.raises(InvalidRequest, match=rf"tools\b.*\b{named}\b"):
        wire.parse_request(encoded(request))


def test_tools_need_a_type_that_uses_them() -> None:
    tools = golden_fields("request_tools.json")["tools"]
    with pytest.raises(InvalidRequest, match="tools must be absent for the type proposal"):
        wire.parse_request(encoded(golden_fields("request_proposal.json") | {"tools": tools}))
    custom = golden_fields("request_custom.json") | {"tools": tools}
    with pytest.raises(InvalidRequest, match="tools need a signature of the module ReAct"):
        wire.parse_request(encoded(custom))
    custom["signature"]["module"] = "ReAct"
    assert wire.parse_request(encoded(custom)).tools is not None


def test_operations_and_artifacts_round_trip() -> None:
    assert json.loads(wire.encode_completed(completed())) == golden_fields("completed_tools.json")


def test_operations_of_a_failure_round_trip() -> None:
    outcome = wire.parse_outcome(encoded(golden_fields("failed_no_progress.json")))
    assert isinstance(outcome, FailureResult)
    assert [each.outcome for each in outcome.operations] == ["Succeeded", "Cancelled"]
    assert json.loads(wire.encode_failed(outcome)) == golden_fields("failed_no_progress.json")


def test_a_message_has_at_most_a_hundred_operations_and_refers_to_all() -> None:
    outcome = completed()
    many = tuple(replace(outcome.operations[0], number=number) for number in range(1, 151))
    outcome = replace(outcome, operations=many)
    reference = wire.ResultRef(bucket="results-a", name="t.1.operations", size_bytes=9, sha256="ab")
    message = json.loads(wire.encode_completed(outcome, operations_ref=reference))
    assert [each["number"] for each in message["operations"]] == list(range(1, 101))
    assert message["operations_ref"] == reference.model_dump()
    assert [each["number"] for each in json.loads(wire.encode_operations(outcome))] == list(range(1, 151))


def test_a_message_never_has_the_content_of_an_artifact() -> None:
    outcome = replace(completed(), artifacts=(Artifact.of("t.1.artifact-1", b"secret content"),))
    payload = wire.encode_completed(outcome)
    assert b"secret content" not in payload
    (found,) = json.loads(payload)["artifacts"]
    assert found == {"name": "t.1.artifact-1", "size_bytes": 14, "sha256": outcome.artifacts[0].sha256}


def test_a_response_with_an_unknown_outcome_of_an_operation_is_refused() -> None:
    response = golden_fields("completed_tools.json")
    response["operations"][0]["outcome"] = "Perhaps"
    with pytest.raises(wire.WireError):
        wire.parse_outcome(encoded(response))


def test_a_claim_without_side_effects_does_not_have_the_field() -> None:
    claim = wire.parse_claim(encoded(golden_fields("claim.json")))
    assert not claim.side_effects
    assert "side_effects" not in json.loads(claim.encode())
    assert wire.parse_claim(encoded(golden_fields("claim_side_effects.json"))).side_effects
