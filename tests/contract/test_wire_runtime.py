"""The golden files of the wire, read and written by the runtime."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from cognitive_runtime.adapters import wire
from cognitive_runtime.adapters.wire.execution import parse_execution
from cognitive_runtime.domain import (
    AgentResult,
    CognitiveTaskType,
    CredentialsRefused,
    Demonstration,
    ExecutionRequest,
    FailureResult,
    InvalidRequest,
    LLMSettings,
    ModelBehaviour,
    ModelCalls,
    NoProgress,
    QuotaExceeded,
    RateLimited,
    ReasoningError,
    ReasoningSettings,
    ToolsUnavailable,
    Usage,
)
from cognitive_runtime.domain.execution import ActorResources, ExecutionSettings, ServeSettings

WIRE = Path(__file__).parent / "wire"
LEARNT = (
    ModelBehaviour("http://127.0.0.1:8000/v1", "gemma-3-270m", frozenset(), "JSONObject", True, 1795226100.25),
    ModelBehaviour(
        "https://api.openai.com/v1", "gpt-4o-mini", frozenset({"temperature", "max_tokens"}), learnt_at_s=1795226350.5
    ),
)
LEARNT_JSON = {
    "endpoint": "https://api.openai.com/v1",
    "model": "gpt-4o-mini",
    "refused": ["max_tokens", "temperature"],
    "output": "Schema",
    "bounded": False,
    "learnt_at": 1795226350.5,
}


def golden(name: str) -> bytes:
    return (WIRE / name).read_bytes()


def changed(name: str, **fields: Any) -> bytes:
    return json.dumps(json.loads(golden(name)) | fields).encode()


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
        wire.parse_request(changed("request_serve.json", placement="Elsewhere"))


def test_the_settings_of_an_executors_processes_are_read_whole() -> None:
    assert parse_execution(golden("execution.json").decode()) == ExecutionSettings(serve=ServeSettings(replicas=2))
    assert parse_execution(golden("execution_warm_slots.json").decode()) == ExecutionSettings(warm_slots=2)
    content = json.loads(golden("execution_public.json"))
    found = parse_execution(json.dumps(content))
    assert found.serve is not None
    public, agent = found.serve.public, content["serve"]["public"]["agent"]
    assert found.worker == ActorResources(0.5, 512 * 1024**2)
    assert (found.serve.autoscaling, found.serve.max_replicas, found.serve.is_hybrid) == ((1, 4, 8), 4, True)
    assert (found.serve.max_ongoing_requests, found.serve.resources) == (100, ActorResources(2.0, 1024**3))
    assert public is not None
    assert (public.prefix, public.token_file) == ("/cognitive/default/sre", "serve-token")
    assert (public.agent.role, public.agent.llm.model) == (agent["role"], agent["llm"]["model"])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("worker.cpus", -1),
        ("worker.memory_bytes", 0),
        ("serve.autoscaling.max_replicas", 0),
        ("serve.max_ongoing_requests", 0),
        ("serve.public.route", "no/slash"),
        ("serve.public.token_file", "../key"),
        ("schema_version", 2),
    ],
)
def test_settings_of_processes_outside_the_contract_are_refused_by_field(path: str, value: Any) -> None:
    content = json.loads(golden("execution_public.json"))
    _set(content, path, value)
    with pytest.raises(wire.WireError, match=rf"^{re.escape(path)}\b"):
        parse_execution(json.dumps(content))


def test_a_request_without_the_later_settings_has_their_defaults() -> None:
    agent = wire.parse_request(golden("request.json")).agent
    llm = agent.llm
    assert agent.demonstrations == ()
    assert (llm.structured_output, llm.reasoning, llm.extra_body, llm.learnt) == ("Auto", ReasoningSettings(), {}, ())


def test_every_setting_of_a_request_is_read() -> None:
    agent = wire.parse_request(golden("request_all_settings.json")).agent
    expected = json.loads(golden("request_all_settings.json"))["agent"]
    llm = asdict(agent.llm)
    same = set(expected["llm"]) - {"learnt"}
    assert json.loads(json.dumps({name: llm[name] for name in same})) == {name: expected["llm"][name] for name in same}
    assert (agent.llm.temperature, agent.llm.top_p) == (None, None)
    assert agent.llm.learnt == LEARNT
    (shown,) = expected["demonstrations"]
    assert agent.demonstrations == (Demonstration(CognitiveTaskType.FAILURE_ANALYSIS, shown["input"], shown["output"]),)


def test_a_null_setting_counts_as_absent() -> None:
    request = json.loads(golden("request.json"))
    request["agent"]["llm"] |= {"temperature": None, "top_p": None, "reasoning": {"effort": None, "max_tokens": None}}
    llm = wire.parse_request(json.dumps(request).encode()).agent.llm
    assert (llm.temperature, llm.top_p, llm.reasoning) == (None, None, ReasoningSettings())


def test_a_request_of_an_older_operator_has_the_defaults() -> None:
    request = json.loads(golden("request.json"))
    later = ("frequency_penalty", "presence_penalty", "stream", "retry_delay_seconds", "logging", "fallbacks")
    for name in later:
        del request["agent"]["llm"][name]
    llm = wire.parse_request(json.dumps(request).encode()).agent.llm
    bare = LLMSettings(llm.provider, llm.model, llm.endpoint)
    assert {name: getattr(llm, name) for name in later} == {name: getattr(bare, name) for name in later}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frequency_penalty", 2.1),
        ("presence_penalty", -2.1),
        ("retry_delay_seconds", -1),
        ("fallbacks", [{"provider": "p", "model": "m", "endpoint": "ftp://x"}]),
        ("fallbacks", [{"provider": "p", "model": " ", "endpoint": "http://x"}]),
        ("fallbacks", [{"provider": "p", "model": "m", "endpoint": "http://x", "api_key_file": "../k"}]),
        ("fallbacks", [{"provider": "p", "model": "m", "endpoint": "http://x"}] * 6),
        ("temperature", 2.1),
        ("top_p", -0.1),
        ("structured_output", "Grammar"),
        ("reasoning.effort", "very high; rm"),
        ("reasoning.effort", ""),
        ("reasoning.max_tokens", 0),
        ("reasoning.max_tokens", 1_000_001),
        ("extra_body", {"temperature": 0.3}),
        ("extra_body", {"top_k": 20, "messages": []}),
        ("extra_body", {"text": "x" * 16 * 1024}),
        ("extra_body", [1]),
        ("learnt", [LEARNT_JSON] * 17),
        ("learnt.0.endpoint", ""),
        ("learnt.0.model", "m" * 254),
        ("learnt.0.refused", ["p"] * 33),
        ("learnt.1.refused.0", "p" * 65),
        ("learnt.0.output", "Grammar"),
        ("learnt.0.bounded", "perhaps"),
        ("learnt.1.refused.0", "top-p; rm"),
        ("learnt.0.learnt_at", -1),
        ("learnt.0.learnt_at", 253_402_300_800),
    ],
)
def test_model_settings_out_of_range_are_refused_by_field(name: str, value: Any) -> None:
    request = json.loads(golden("request_all_settings.json"))
    _set(request["agent"]["llm"], name, value)
    with pytest.raises(InvalidRequest, match=rf"^agent\.llm\.{re.escape(name)}\b"):
        wire.parse_request(json.dumps(request).encode())


def _set(found: Any, path: str, value: Any) -> None:
    """Set the value at a path such as ``learnt.0.model``."""
    *parts, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parts:
        found = found[part]
    found[last] = value


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": "guessing"}, "agent.demonstrations.0.type"),
        ({"input": "text"}, "agent.demonstrations.0.input"),
        ({"output": None}, "agent.demonstrations.0.output"),
        ({"input": {"text": "é" * 64 * 1024}}, "agent.demonstrations must be JSON objects of at most 131072 bytes"),
    ],
)
def test_demonstrations_outside_the_contract_are_refused_by_field(changes: dict[str, Any], field: str) -> None:
    request = json.loads(golden("request_all_settings.json"))
    request["agent"]["demonstrations"][0] |= changes
    with pytest.raises(InvalidRequest, match=rf"^{re.escape(field)}\b"):
        wire.parse_request(json.dumps(request).encode())


def test_too_many_demonstrations_are_refused() -> None:
    request = json.loads(golden("request_all_settings.json"))
    request["agent"]["demonstrations"] *= 33
    with pytest.raises(InvalidRequest, match=r"^agent\.demonstrations must be at most 32\."):
        wire.parse_request(json.dumps(request).encode())


@pytest.mark.parametrize("name", ["temperature", "top_p", "max_tokens", "reasoning_effort", "response_format", "tools"])
def test_a_field_that_the_runtime_sets_is_named_if_extra_body_has_it(name: str) -> None:
    request = json.loads(golden("request.json"))
    request["agent"]["llm"]["extra_body"] = {name: 1, "top_k": 20}
    with pytest.raises(InvalidRequest, match=rf"extra_body must not contain {name}: "):
        wire.parse_request(json.dumps(request).encode())


INPUT_REF = {"bucket": "results-a", "name": "t.1.input", "size_bytes": 300_000, "sha256": "ab" * 32}


def test_a_request_names_where_its_input_is() -> None:
    request = wire.parse_request(changed("request.json", input={}, input_ref=INPUT_REF))
    assert request.input_ref is not None
    assert asdict(request.input_ref) == INPUT_REF


def test_a_request_of_an_operator_without_large_inputs_is_read() -> None:
    request = json.loads(golden("request.json"))
    del request["input_ref"]
    assert wire.parse_request(json.dumps(request).encode()).input_ref is None


def test_a_response_of_an_older_executor_names_no_endpoint() -> None:
    response = json.loads(golden("completed.json"))
    del response["endpoint"]
    outcome = wire.parse_outcome(json.dumps(response).encode())
    assert isinstance(outcome, AgentResult)
    assert outcome.endpoint is None


def test_a_request_shows_no_key() -> None:
    request = wire.parse_request(golden("request.json"))
    assert request.attempt_key not in repr(request)


def test_unknown_fields_of_a_request_are_ignored() -> None:
    assert isinstance(wire.parse_request(changed("request.json", later="field")), ExecutionRequest)


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
        wire.parse_request(changed("request.json", **fields))
    assert "secret-but-short" not in str(caught.value)


def test_an_api_key_file_never_leaves_its_directory() -> None:
    request = json.loads(golden("request.json"))
    request["agent"]["llm"]["api_key_file"] = "../other-agent/key"
    with pytest.raises(InvalidRequest, match="api_key_file"):
        wire.parse_request(json.dumps(request).encode())


def test_a_refused_request_is_answered_with_its_identity() -> None:
    data = changed("request.json", task_type="guessing")
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


def test_completed_round_trips() -> None:
    outcome = wire.parse_outcome(golden("completed.json"))
    assert isinstance(outcome, AgentResult)
    assert json.loads(wire.encode_completed(outcome)) == json.loads(golden("completed.json"))


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
            changed("request.json", variant=variant), error, worker="w", submission_id="s", timestamp="t"
        )
        assert failure is not None
        assert failure.variant == expected


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


def test_signature_and_message_id_are_those_of_the_golden_file() -> None:
    expected = json.loads(golden("signature.json"))
    key = expected["attempt_key"]
    assert wire.sign(key, expected["subject"], expected["payload"].encode()) == expected["signature"]
    assert wire.message_id(key) == expected["msg_id"]


def test_subjects_carry_the_attempt() -> None:
    outcome = wire.parse_outcome(golden("completed.json"))
    assert wire.response_subject(outcome) == json.loads(golden("signature.json"))["subject"]
