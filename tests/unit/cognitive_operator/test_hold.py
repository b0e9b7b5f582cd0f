"""Holds of a queue: their cause, their message and the tries that end them."""

from dataclasses import replace

import pytest

from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.resources import Agent
from cognitive_operator.plan.hold import Hold, hold_after_trial, opened_hold
from cognitive_operator.plan.in_flight import attempt_end
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
HOLD = Hold(Reason.CREDENTIALS_REFUSED, "refused", trial_at_s=130.0)


def agent(**llm: object) -> Agent:
    return Agent.model_validate(o.agent_body(llm={"model": "m", "endpoint": "http://model/v1", **llm}))


def test_a_refused_key_holds_the_queue_and_names_endpoint_secret_and_remedy() -> None:
    hold = opened_hold(agent(**KEYED), REFUSED, 100.0)
    assert hold is not None
    condition = hold.condition
    assert (condition.type, condition.status, condition.reason) == ("ModelReady", "False", "CredentialsRefused")
    told = ("http://model/v1 refuses", "Secret team/openai (key api-key)", "correct", "HTTP 401", "30 s", "300 s")
    assert [text for text in told if text not in condition.message] == []
    assert (hold.is_due(129.9), hold.is_due(130.0)) == (False, True)


def test_the_endpoint_that_answered_is_named_with_its_own_secret() -> None:
    response = o.failed(error_type="QuotaExceeded", endpoint="http://other/v1")
    hold = opened_hold(agent(**KEYED), attempt_end(o.key(), response), 100.0)
    assert hold is not None
    assert "http://other/v1 reports that the quota of the key in Secret team/second (key k) is used up" in hold.message
    assert hold.reason == "QuotaExceeded"


def test_an_agent_without_a_key_is_told_to_name_one() -> None:
    hold = opened_hold(agent(), REFUSED, 100.0)
    assert hold is not None
    assert "name a Secret with one in spec.llm.apiKeySecretRef" in hold.message


@pytest.mark.parametrize("error_type", ["ModelTimeout", "BadRequest", "RateLimited", "CredentialsNotMounted"])
def test_other_failures_hold_nothing(error_type: str) -> None:
    assert opened_hold(agent(), attempt_end(o.key(), o.failed(error_type=error_type)), 100.0) is None


def test_the_pause_between_tries_doubles_to_five_minutes() -> None:
    hold, now_s, pauses = HOLD, 130.0, []
    for _ in range(6):
        after = hold_after_trial(agent(), hold.tried_by("t"), REFUSED, now_s)
        assert after is not None
        assert (after.trial, after.is_due(now_s)) == (None, False)
        pauses.append(after.trial_at_s - now_s)
        hold, now_s = after, after.trial_at_s
    assert pauses == [60.0, 120.0, 240.0, 300.0, 300.0, 300.0]


def test_only_a_success_ends_the_hold() -> None:
    assert hold_after_trial(agent(), HOLD.tried_by("t"), attempt_end(o.key(), o.completed()), 130.0) is None


def test_a_try_that_fails_otherwise_keeps_the_pause() -> None:
    after = hold_after_trial(agent(), HOLD.tried_by("t"), attempt_end(o.key(), o.failed()), 130.0)
    assert after is not None
    assert (after.trial_at_s, after.failed_trials) == (160.0, 0)


def test_another_cause_that_holds_takes_the_place_of_the_first() -> None:
    quota = attempt_end(o.key(), o.failed(error_type="QuotaExceeded", retryable=False, endpoint=None))
    after = hold_after_trial(agent(**KEYED), replace(HOLD, keys="k").tried_by("t"), quota, 130.0)
    assert after is not None
    assert (after.reason, after.failed_trials, after.trial_at_s, after.trial) == ("QuotaExceeded", 1, 190.0, None)
    assert ("quota" in after.message, "refuses the API key" in after.message, after.keys) == (True, False, "k")


def test_one_task_tries_at_a_time() -> None:
    assert not HOLD.tried_by("t").is_due(1e9)
