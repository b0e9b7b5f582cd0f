"""Requests as the runtime reads them: task, place, input and variant; a refused one is answered."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from cognitive_runtime.adapters import wire
from cognitive_runtime.domain import AgentResult, CognitiveTaskType, ExecutionRequest, InvalidRequest, ModelCalls
from support.builders.golden_wire import golden


def test_request_is_read_whole() -> None:
    request = wire.parse_request(golden("request.json"))
    expected = json.loads(golden("request.json"))
    agent = expected["agent"]
    assert request.task_type is CognitiveTaskType.FAILURE_ANALYSIS
    assert request.input == expected["input"]
    assert request.context == expected["context"]
    assert request.constraints == expected["constraints"]
    assert request.attempt_key == expected["attempt_key"]
    assert request.attempt_id == "0b9c6f0a-2f5e-4f0e-8a6b-9b7d1c2e3f4a.1"
    assert request.agent.cost_per_character == agent["energy"]["cost_per_character"]
    llm = asdict(request.agent.llm)
    assert json.loads(json.dumps({name: llm[name] for name in agent["llm"]})) == agent["llm"]
    for name in ("generation", "role", "role_probabilities", "system_prompt"):
        assert getattr(request.agent, name) == agent[name]
    for name in set(expected) - {"schema_version", "agent", "task_type"}:
        assert getattr(request, name) == expected[name]


@pytest.mark.parametrize(("name", "task_type"), [("request_custom", "custom"), ("request_proposal", "proposal")])
def test_requests_of_the_later_task_types_are_read(name: str, task_type: str) -> None:
    request, content = wire.parse_request(golden(f"{name}.json")), json.loads(golden(f"{name}.json"))
    assert (request.task_type, request.input) == (task_type, content["input"])
    signature = None if request.signature is None else request.signature.to_dict()
    assert signature == content.get("signature")


def test_the_place_of_a_request_is_read_and_is_the_worker_without_one() -> None:
    assert wire.parse_request(golden("request_serve.json")).placement == "Serve"
    assert wire.parse_request(golden("request.json")).placement == "Embedded"
    with pytest.raises(InvalidRequest, match=r"^placement\b"):
        wire.parse_request(golden("request_serve.json", placement="Elsewhere"))


INPUT_REF = {"bucket": "results-a", "name": "t.1.input", "size_bytes": 300_000, "sha256": "ab" * 32}


def test_a_request_names_where_its_input_is() -> None:
    request = wire.parse_request(golden("request.json", input={}, input_ref=INPUT_REF))
    assert request.input_ref is not None
    assert asdict(request.input_ref) == INPUT_REF


def test_a_request_of_an_operator_without_large_inputs_is_read() -> None:
    request = json.loads(golden("request.json"))
    del request["input_ref"]
    assert wire.parse_request(json.dumps(request).encode()).input_ref is None


def test_a_request_shows_no_key() -> None:
    request = wire.parse_request(golden("request.json"))
    assert request.attempt_key not in repr(request)


def test_unknown_fields_of_a_request_are_ignored() -> None:
    assert isinstance(wire.parse_request(golden("request.json", later="field")), ExecutionRequest)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"task_type": "guessing"}, "task_type"),
        ({"attempt": 0}, "attempt"),
        ({"attempt_key": "secret-but-short"}, "attempt_key"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"task_uid": ""}, "task_uid"),
        ({"input": "text"}, "input"),
    ],
)
def test_a_bad_request_is_refused_by_field(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named) as caught:
        wire.parse_request(golden("request.json", **fields))
    assert "secret-but-short" not in str(caught.value)


def test_a_refused_request_is_answered_with_its_identity() -> None:
    data = golden("request.json", task_type="guessing")
    error = InvalidRequest("task_type: not known.")
    failure = wire.parse_rejected(data, error, worker="w", submission_id="s", timestamp="2026-11-21T02:00:00.000000Z")
    assert failure is not None
    assert failure.error_type == "InvalidRequest"
    assert not failure.retryable
    assert failure.task_type == "guessing"
    assert failure.attempt_key == json.loads(data)["attempt_key"]
    assert wire.response_subject(failure).startswith("agent.response.failed.default.7d3f7b1e")


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b'{"schema_version": 1}'])
def test_a_request_that_names_nobody_cannot_be_answered(data: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        wire.parse_request(data)
    assert wire.parse_rejected(data, caught.value, worker="w", submission_id="s", timestamp="t") is None


def test_a_request_names_its_variant_and_a_response_repeats_it_with_its_calls() -> None:
    request = wire.parse_request(golden("request_variant.json"))
    assert request.variant == "hosted"
    assert request.agent.llm.api_key_file == "llm-api-key-variant-hosted"
    outcome = wire.parse_outcome(golden("completed_variant.json"))
    assert isinstance(outcome, AgentResult)
    assert (outcome.variant, outcome.calls) == ("hosted", ModelCalls(3, 1, 250, (420, 10, 388)))
    assert json.loads(wire.encode_completed(outcome)) == json.loads(golden("completed_variant.json"))


def test_a_refused_request_is_answered_with_its_variant() -> None:
    error = InvalidRequest("task_type: not known.")
    for variant, expected in (("hosted", "hosted"), (7, None)):
        failure = wire.parse_rejected(
            golden("request.json", variant=variant), error, worker="w", submission_id="s", timestamp="t"
        )
        assert failure is not None
        assert failure.variant == expected
