"""Texts from Secrets, Ray, leases, models and events that are not fit for a status: each is told in a condition."""

import json
from typing import Any

import pytest

from cognitive_operator.adapters.http_client import HttpResponse
from cognitive_operator.adapters.model.inference import inference_result
from cognitive_operator.api.bounds import is_condition_reason
from cognitive_operator.api.conditions import AgentCondition, Condition, Outcome, Reason
from cognitive_operator.api.llm import LLM
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire import Lease
from cognitive_operator.errors import ObjectInvalidError
from cognitive_operator.plan.agent.conditions import AgentFacts, ObservedExecutor, agent_conditions, check_model
from cognitive_operator.reconcile.agent.model.api_key import read_model_key
from cognitive_operator.reconcile.agent.model.fallbacks import with_fallbacks
from cognitive_operator.reconcile.status_writer import StatusWriter
from support.builders import operator_objects as o
from support.fakes.kube import FakeEvents, FakeKube, FakeSecrets

BAD = "a\x00b\ud800c\ufffe" + "x" * 50_000
NOT_UTF8 = ObjectInvalidError("Secret team/llm: the value of 'key' is not UTF-8")
LLM_SPEC = {"provider": "openaiCompatible", "model": "m", "endpoint": "http://model/v1"}
SECRET = {"name": "llm", "key": "key"}
GOOD = Condition.true(AgentCondition.READY, Reason.AVAILABLE, "Fine.")


@pytest.mark.parametrize("field", ["apiKeySecretRef", "redisSecretRef"])
async def test_a_key_that_is_not_utf8_is_told_with_the_field_and_what_to_do(field: str) -> None:
    secrets = FakeSecrets(values={("team", "llm", "key"): NOT_UTF8})
    found = await read_model_key(secrets, "team", LLM.model_validate({**LLM_SPEC, field: SECRET}))
    assert found == Condition.false(
        AgentCondition.MODEL_READY,
        Reason.SECRET_INVALID,
        f"spec.llm.{field}: {NOT_UTF8}; write the key into the Secret as UTF-8 text.",
    )


async def test_a_fallback_whose_key_is_not_utf8_is_no_fallback() -> None:
    fallback = {**LLM_SPEC, "apiKeySecretRef": SECRET}
    agent = Agent.model_validate(o.agent_body(llm={**LLM_SPEC, "fallbacks": [fallback]}))
    first = Condition.false(AgentCondition.MODEL_READY, Reason.MODEL_UNREACHABLE, "no answer")
    nothing: Any = None
    assert await with_fallbacks(FakeSecrets(values={("team", "llm", "key"): NOT_UTF8}), nothing, agent, first) == first


def executor_ready(reason: str, message: str | None) -> Condition:
    who = {"worker": "w", "agent_uid": o.AGENT_UID, "submission_id": "ca-1", "mode": "Embedded", "ready": False}
    what = {"reason": reason, "message": message, "capacity": 1, "runtime_version": "1"}
    lease = Lease.model_validate(who | what | {"started_at": o.NOW, "renewed_at": o.NOW})
    agent = Agent.model_validate(o.agent_body())
    facts = AgentFacts(agent, GOOD, GOOD, GOOD, ObservedExecutor("ca-1", None, (lease,)), GOOD)
    return next(c for c in agent_conditions(facts) if c.type == AgentCondition.EXECUTOR_READY)


def test_the_reason_of_a_lease_that_is_none_is_quoted_in_the_message() -> None:
    found = executor_ready("no\x00 reason", "The disk is full.")
    assert (found.status, found.reason) == ("False", Reason.EXECUTOR_FAILED)
    assert found.message == "A worker reports the invalid reason 'no\ufffd reason': The disk is full."
    good = executor_ready("CredentialsNotMounted", BAD)
    assert (good.reason, good.message[:6]) == ("CredentialsNotMounted", "a\ufffdb\ufffdc\ufffd")
    assert good.message.index("… Mount the agent's files at ") == 1023  # a worker's message has at most 1024 characters
    assert is_condition_reason(executor_ready("x" * 5000, None).reason)


def test_the_models_that_a_server_lists_are_cut() -> None:
    agent = Agent.model_validate(o.agent_body(llm={**LLM_SPEC, "provider": "vllm"}))
    found = check_model(agent, True, Reason.AVAILABLE, "", [BAD] * 5)
    assert found.reason == Reason.MODEL_NOT_SERVED
    assert "it serves a\ufffdb\ufffdc\ufffdxxx" in found.message
    assert len(found.message) < 1000


@pytest.mark.parametrize("tokens", [10**30, "many", [1], -1, None, 1.5])
def test_the_speed_of_a_model_that_lies_about_its_tokens_is_not_told(tokens: Any) -> None:
    content = f"data: {json.dumps({'usage': {'completion_tokens': tokens}})}\n\n".encode()
    found = inference_result(HttpResponse(200, content, None), [0.1, 0.2])
    assert found.tokens_per_second is None or abs(found.tokens_per_second) < 1e6
    assert inference_result(HttpResponse(200, b'data: {"usage": 1}\n\n', None), [0.1]).ok is False


def test_the_text_of_an_event_is_cleaned_and_cut() -> None:
    events, kube = FakeEvents(), FakeKube()
    StatusWriter(kube, events, "CognitiveTask", "cognitivetasks").emit_event(o.task_body(), "Warning", "R" * 200, BAD)
    (event,) = events.events
    assert (len(event.reason), len(event.message), event.message[:5]) == (128, 1024, "a\ufffdb\ufffdc")


def test_what_ray_says_about_a_job_is_cleaned_and_cut_in_the_end_of_an_attempt() -> None:
    end = o.in_flight(10.0).closed(o.NOW, Outcome.FAILED, Reason.JOB_FAILED, f"Ray says: {BAD}")
    entry = end.status_entry().model_dump(mode="json")
    assert (entry["message"][:15], len(entry["message"])) == ("Ray says: a\ufffdb\ufffdc", 1024)
