"""Circuit breaker of a queue: the causes that open it, its message and the tries that close it."""

from dataclasses import replace

import pytest

from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire import Completed, Failed
from cognitive_operator.plan.agent.model.circuit_breaker import (
    OpenCircuit,
    circuit_after_trial,
    circuit_in_status,
    opened_by_error,
    opened_by_outage,
)
from cognitive_operator.plan.agent.model.failure_row import NO_FAILURES, FailureRow
from cognitive_operator.plan.attempt.in_flight import attempt_end
from support.builders import operator_objects as o

KEYED = {
    "model": "m",
    "endpoint": "http://model/v1",
    "apiKeySecretRef": {"name": "openai"},
    "fallbacks": [{"model": "f", "endpoint": "http://other/v1", "apiKeySecretRef": {"name": "second", "key": "k"}}],
}
REFUSED = attempt_end(
    o.key(), o.failed(error_type="CredentialsRefused", retryable=False, error="HTTP 401.", endpoint=None)
)
REFUSING = OpenCircuit(Reason.CREDENTIALS_REFUSED, "refused", trial_at_s=130.0)


def agent(**llm: object) -> Agent:
    return Agent.model_validate(o.agent_body(llm={"model": "m", "endpoint": "http://model/v1", **llm}))


def test_a_refused_key_opens_the_circuit_and_names_endpoint_secret_and_remedy() -> None:
    circuit = opened_by_error(agent(**KEYED), REFUSED, 100.0)
    assert circuit is not None
    condition = circuit.condition
    assert (condition.type, condition.status, condition.reason) == ("ModelReady", "False", "CredentialsRefused")
    told = ("http://model/v1 refuses", "Secret team/openai (key api-key)", "correct", "HTTP 401", "30 s", "300 s")
    assert [text for text in told if text not in condition.message] == []
    assert (circuit.is_due(129.9), circuit.is_due(130.0)) == (False, True)


def test_the_endpoint_that_answered_is_named_with_its_own_secret() -> None:
    response = o.failed(error_type="QuotaExceeded", endpoint="http://other/v1")
    circuit = opened_by_error(agent(**KEYED), attempt_end(o.key(), response), 100.0)
    assert circuit is not None
    assert (
        "http://other/v1 reports that the quota of the key in Secret team/second (key k) is used up" in circuit.message
    )
    assert circuit.reason == "QuotaExceeded"


def test_an_agent_without_a_key_is_told_to_name_one() -> None:
    circuit = opened_by_error(agent(), REFUSED, 100.0)
    assert circuit is not None
    assert "name a Secret with one in spec.llm.apiKeySecretRef" in circuit.message


@pytest.mark.parametrize("error_type", ["ModelTimeout", "BadRequest", "RateLimited", "CredentialsNotMounted"])
def test_other_failures_open_no_circuit(error_type: str) -> None:
    assert opened_by_error(agent(), attempt_end(o.key(), o.failed(error_type=error_type)), 100.0) is None


def test_the_pause_between_tries_doubles_to_five_minutes() -> None:
    circuit, now_s, pauses = REFUSING, 130.0, []
    for _ in range(1100):  # 2.0**1024 is no number
        after = circuit_after_trial(agent(), circuit.half_open("t"), REFUSED, now_s)
        assert after is not None
        assert (after.trial, after.is_due(now_s)) == (None, False)
        pauses.append(after.trial_at_s - now_s)
        circuit, now_s = after, after.trial_at_s
    assert pauses[:4] == [60.0, 120.0, 240.0, 300.0]
    assert set(pauses[4:]) == {300.0}


def test_only_a_success_closes_the_circuit() -> None:
    assert circuit_after_trial(agent(), REFUSING.half_open("t"), attempt_end(o.key(), o.completed()), 130.0) is None


def test_a_try_that_fails_otherwise_keeps_the_pause() -> None:
    after = circuit_after_trial(agent(), REFUSING.half_open("t"), attempt_end(o.key(), o.failed()), 130.0)
    assert after is not None
    assert (after.trial_at_s, after.failed_trials) == (160.0, 0)


def test_another_cause_that_opens_a_circuit_takes_the_place_of_the_first() -> None:
    quota = attempt_end(o.key(), o.failed(error_type="QuotaExceeded", retryable=False, endpoint=None))
    after = circuit_after_trial(agent(**KEYED), replace(REFUSING, keys="k").half_open("t"), quota, 130.0)
    assert after is not None
    assert (after.reason, after.failed_trials, after.trial_at_s, after.trial) == ("QuotaExceeded", 1, 190.0, None)
    assert ("quota" in after.message, "refuses the API key" in after.message, after.keys) == (True, False, "k")


def test_one_task_tries_at_a_time() -> None:
    assert not REFUSING.half_open("t").is_due(1e9)


UNAVAILABLE = attempt_end(o.key(2), o.failed(2, error_type="ModelUnavailable", error="HTTP 503.", endpoint=None))
FAILING = OpenCircuit(Reason.INFERENCE_FAILING, "fails", trial_at_s=130.0)


def row_of(*uids: str) -> FailureRow:
    return FailureRow(tuple(o.key(number)._replace(task_uid=uid) for number, uid in enumerate(uids)))


def test_an_outage_is_told_with_model_url_last_error_and_remedy() -> None:
    circuit = opened_by_outage(agent(), row_of(*"aabcc"), UNAVAILABLE, 100.0)
    assert circuit is not None
    assert (circuit.condition.type, circuit.condition.status, circuit.condition.reason, circuit.trial_at_s) == (
        "ModelReady",
        "False",
        "InferenceFailing",
        130.0,
    )
    assert circuit.message == (
        "http://model/v1 does not complete calls of model 'm': attempts of several tasks failed in a row, the last "
        "with ModelUnavailable. Check the log and the load of the model server, or name another model or a fallback in "
        "spec.llm. The agent's tasks wait; one tries after 30 s, then at intervals up to 300 s, and all continue when "
        "it succeeds, or when the Secret or spec.llm changes. The executor reports: HTTP 503."
    )


def test_an_outage_names_the_fallbacks_that_fail_too() -> None:
    circuit = opened_by_outage(agent(**KEYED), row_of(*"aabcc"), UNAVAILABLE, 100.0)
    assert circuit is not None
    assert " The fallbacks fail, too: http://other/v1. " in circuit.message


@pytest.mark.parametrize(("tasks", "opens"), [("abcab", True), ("abca", False), ("ababababab", False), ("abcde", True)])
def test_five_failures_of_three_tasks_open_the_circuit(tasks: str, opens: bool) -> None:
    assert (opened_by_outage(agent(), row_of(*tasks), UNAVAILABLE, 100.0) is not None) is opens


@pytest.mark.parametrize(
    ("response", "length"),
    [
        (o.failed(error_type="ModelUnavailable"), 3),
        (o.failed(error_type="ModelTimeout"), 3),
        (o.failed(error_type="RateLimited"), 2),
        (o.failed(error_type="EmptyResponse"), 2),
        (o.failed(error_type="LedgerUnavailable"), 2),
        (o.failed(error_type="BadRequest", retryable=False), 2),
        (o.completed(cache_hit=True), 2),
        (o.failed(error_type="OutputParseError"), 0),
        (o.failed(error_type="TruncatedResponse"), 0),
        (o.completed(), 0),
    ],
    ids=lambda value: getattr(value, "error_type", None) or getattr(value, "status", None),
)
def test_the_row_of_failures_grows_by_the_models_own_and_ends_with_an_answer(
    response: Completed | Failed, length: int
) -> None:
    row = row_of("a", "b").with_end(attempt_end(o.key(), response))
    assert len(row.keys) == length
    assert row.with_end(attempt_end(o.key(), response)) == row, "a repeated end counts once"


def test_a_try_that_meets_the_outage_again_doubles_the_pause_and_lets_others_try_first() -> None:
    timeout = attempt_end(o.key(), o.failed(error_type="ModelTimeout", error="No answer within 60 s."))
    after = circuit_after_trial(agent(), FAILING.half_open("t"), timeout, 130.0)
    assert after is not None
    assert (after.reason, after.trial_at_s, after.tried) == ("InferenceFailing", 190.0, frozenset({"t"}))
    assert "the last with ModelTimeout" in after.message
    assert after.message.endswith("The executor reports: No answer within 60 s.")


@pytest.mark.parametrize("error_type", ["RateLimited", "OutputParseError", "ExecutorLost"])
def test_a_try_that_fails_otherwise_keeps_the_outage_and_the_pause(error_type: str) -> None:
    after = circuit_after_trial(
        agent(), FAILING.half_open("t"), attempt_end(o.key(), o.failed(error_type=error_type)), 130.0
    )
    assert after is not None
    assert (after.reason, after.message, after.trial_at_s) == ("InferenceFailing", "fails", 160.0)


@pytest.mark.parametrize("circuit", [REFUSING, FAILING])
def test_a_result_from_the_cache_closes_no_circuit_and_the_next_task_tries_at_once(circuit: OpenCircuit) -> None:
    cached = attempt_end(o.key(), o.completed(cache_hit=True))
    after = circuit_after_trial(agent(), circuit.half_open("t"), cached, 130.0)
    assert after is not None
    assert (after.trial, after.is_due(130.0), after.failed_trials) == (None, True, 0)


def condition(**fields: object) -> dict[str, object]:
    found = {"type": "ModelReady", "status": "False", "reason": "InferenceFailing", "message": "m fails"}
    return found | {"observedGeneration": 3} | fields


@pytest.mark.parametrize(
    ("found", "is_open"),
    [
        (condition(), True),
        (condition(observedGeneration=2), False),
        (condition(reason="CredentialsRefused"), False),
        (condition(status="True"), False),
        (condition(type="Ready"), False),
    ],
)
def test_an_outage_in_the_status_opens_the_circuit_of_a_new_process_too(
    found: dict[str, object], is_open: bool
) -> None:
    circuit = circuit_in_status(o.agent_body() | {"status": {"conditions": [found]}})
    assert (circuit is not None) is is_open
    if circuit is not None:
        assert (circuit.reason, circuit.message, circuit.is_due(0.0)) == ("InferenceFailing", "m fails", True)


def test_an_agent_without_status_has_a_closed_circuit() -> None:
    assert circuit_in_status(o.agent_body()) is None
    assert NO_FAILURES.tasks == frozenset()
