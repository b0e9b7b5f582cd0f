"""Responses as the runtime writes and reads them: results, failures, deliberations, references."""

import json
from dataclasses import replace
from typing import Any

import pytest

from cognitive_runtime.adapters import wire
from cognitive_runtime.domain import (
    AgentResult,
    CredentialsRefused,
    FailureResult,
    NoProgress,
    QuotaExceeded,
    RateLimited,
    ReasoningError,
    ToolsUnavailable,
    Usage,
)
from support.builders.golden_wire import golden
from support.builders.learnt_behaviour import LEARNT, LEARNT_JSON


def test_a_response_of_an_older_executor_names_no_endpoint() -> None:
    response = json.loads(golden("completed.json"))
    del response["endpoint"]
    outcome = wire.parse_outcome(json.dumps(response).encode())
    assert isinstance(outcome, AgentResult)
    assert outcome.endpoint is None


def test_completed_round_trips() -> None:
    outcome = wire.parse_outcome(golden("completed.json"))
    assert isinstance(outcome, AgentResult)
    assert json.loads(wire.encode_completed(outcome)) == json.loads(golden("completed.json"))


def test_a_result_with_reasoning_and_learnt_behaviour_round_trips() -> None:
    expected = json.loads(golden("completed_reasoning.json"))
    outcome = wire.parse_outcome(golden("completed_reasoning.json"))
    assert isinstance(outcome, AgentResult)
    assert outcome.learnt == LEARNT
    assert outcome.usage.reasoning_tokens == 64
    assert outcome.unchecked_patterns == ("^(?=.*high).*$",)
    reference = wire.ResultRef(**expected["reasoning_ref"])
    assert json.loads(wire.encode_completed(outcome, reasoning_ref=reference)) == expected


def test_a_deliberation_round_trips() -> None:
    expected = json.loads(golden("completed_deliberation.json"))
    outcome = wire.parse_outcome(golden("completed_deliberation.json"))
    assert isinstance(outcome, AgentResult)
    assert outcome.deliberation is not None
    assert outcome.deliberation.usage == outcome.usage
    assert json.loads(wire.encode_completed(outcome)) == expected


def test_the_members_of_a_failed_deliberation_are_in_the_failure() -> None:
    outcome, failure = (wire.parse_outcome(golden(f"{name}.json")) for name in ("completed_deliberation", "failed"))
    assert isinstance(failure, FailureResult)
    assert outcome.deliberation is not None
    found = replace(outcome.deliberation, selected=None, votes=None, judge=None)
    message = wire.encode_failed(replace(failure, deliberation=found))
    assert json.loads(message)["deliberation"]["selected"] is None
    assert wire.parse_outcome(message).deliberation == found


def test_the_result_of_the_selected_member_is_in_the_message_once() -> None:
    outcome = wire.parse_outcome(golden("completed_deliberation.json"))
    assert isinstance(outcome, AgentResult)
    assert outcome.deliberation is not None
    first, second, third = outcome.deliberation.members
    members = (first, replace(second, result=outcome.result), third)
    whole = replace(outcome, deliberation=replace(outcome.deliberation, members=members))
    assert wire.encode_completed(whole) == wire.encode_completed(outcome)
    assert whole.deliberation is not None
    assert json.loads(wire.other_results(whole.deliberation)) == [{"number": 3, "result": third.result}]


def test_large_results_of_other_members_are_in_an_object_and_not_in_the_message() -> None:
    outcome = wire.parse_outcome(golden("completed_deliberation.json"))
    assert isinstance(outcome, AgentResult)
    assert outcome.deliberation is not None
    first, second, third = outcome.deliberation.members
    large = replace(third, result={"thought": "é" * wire.MAX_INLINE_MEMBERS_BYTES})
    found = replace(outcome, deliberation=replace(outcome.deliberation, members=(first, second, large)))
    assert found.deliberation is not None
    assert json.loads(wire.other_results(found.deliberation)) == [{"number": 3, "result": large.result}]
    reference = wire.ResultRef(bucket="b", name="t.1.members", size_bytes=40_000, sha256="ab")
    message = json.loads(wire.encode_completed(found, members_ref=reference))["deliberation"]
    assert message["members_ref"] == reference.model_dump()
    assert ["result" in member for member in message["members"]] == [False, False, False]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("failed.json", RateLimited),
        ("failed_quota.json", QuotaExceeded),
        ("failed_credentials.json", CredentialsRefused),
        ("failed_variant.json", RateLimited),
        ("failed_no_progress.json", NoProgress),
        ("failed_tools_unavailable.json", ToolsUnavailable),
    ],
)
def test_failed_round_trips(name: str, error: type[ReasoningError]) -> None:
    outcome = wire.parse_outcome(golden(name))
    assert isinstance(outcome, FailureResult)
    assert (outcome.error_type, outcome.retryable) == (error("").error_type, error.retryable)
    assert json.loads(wire.encode_failed(outcome)) == json.loads(golden(name))


def test_a_failure_has_the_learnt_behaviour_and_the_tokens_of_thinking() -> None:
    outcome = wire.parse_outcome(golden("failed_quota.json"))
    assert outcome.learnt == LEARNT[1:]
    assert outcome.usage == Usage(210, 96, 306, reasoning_tokens=64)


def test_a_message_has_at_most_four_kibibytes_of_reasoning_and_whole_characters() -> None:
    outcome = wire.parse_outcome(golden("completed.json"))
    assert isinstance(outcome, AgentResult)
    message = json.loads(wire.encode_completed(replace(outcome, reasoning="a" + "é" * 4096)))
    assert message["reasoning"] == "a" + "é" * 2047


def test_many_or_long_unchecked_patterns_are_cut() -> None:
    outcome = wire.parse_outcome(golden("completed.json"))
    assert isinstance(outcome, AgentResult)
    message = json.loads(wire.encode_completed(replace(outcome, unchecked_patterns=("p" * 257, "q") * 9)))
    assert message["unchecked_patterns"] == ["p" * 256, "q"] * 8


@pytest.mark.parametrize(
    "changes", [{"refused": frozenset({"a name"})}, {"model": "m" * 254}, {"endpoint": ""}, {"learnt_at_s": -1.0}]
)
def test_learnt_behaviour_outside_the_contract_is_left_out_of_messages(changes: dict[str, Any]) -> None:
    outcome = wire.parse_outcome(golden("failed.json"))
    assert isinstance(outcome, FailureResult)
    wrong = replace(LEARNT[0], **changes)
    message = json.loads(wire.encode_failed(replace(outcome, learnt=(wrong, LEARNT[1]))))
    assert message["learnt"] == [LEARNT_JSON]


def test_the_latest_sixteen_models_are_sent_in_their_order() -> None:
    learnt = [replace(LEARNT[0], model=f"m{number:02}", learnt_at_s=number) for number in range(18)]
    assert [part.model for part in wire.learnt_parts(learnt)] == [f"m{number:02}" for number in range(2, 18)]


def test_a_large_result_stays_out_of_the_message() -> None:
    outcome = wire.parse_outcome(golden("completed.json"))
    assert isinstance(outcome, AgentResult)
    reference = wire.ResultRef(bucket="results-a", name="t.1", size_bytes=20_000, sha256="ab")
    message = json.loads(wire.encode_completed(outcome, reference))
    assert message["result"] is None
    assert message["result_ref"] == {"bucket": "results-a", "name": "t.1", "size_bytes": 20_000, "sha256": "ab"}


def test_the_attempt_key_is_never_published() -> None:
    outcome = wire.parse_outcome(golden("failed.json"))
    assert isinstance(outcome, FailureResult)
    keyed = replace(outcome, attempt_key="ab" * 32)
    assert b"abab" not in wire.encode_failed(keyed)
    assert "abab" not in repr(keyed)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"schema_version": 7}', b"[1]"])
def test_what_is_no_response_is_refused(data: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.parse_outcome(data)


def test_signature_and_message_id_are_those_of_the_golden_file() -> None:
    expected = json.loads(golden("signature.json"))
    key = expected["attempt_key"]
    assert wire.sign(key, expected["subject"], expected["payload"].encode()) == expected["signature"]
    assert wire.message_id(key) == expected["msg_id"]


def test_subjects_carry_the_attempt() -> None:
    outcome = wire.parse_outcome(golden("completed.json"))
    assert wire.response_subject(outcome) == json.loads(golden("signature.json"))["subject"]
