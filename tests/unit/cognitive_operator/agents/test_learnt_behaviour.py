"""Learnt behaviour of models: merged, forgotten, shown, and read back from the status."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.merge_patch import merge_patch
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire_settings import LearntModel
from cognitive_operator.plan.agent.model.behaviour import LIFETIME_S, MAX_KEPT, merged, unexpired, with_behaviour
from cognitive_operator.status.behaviour import behaviour_status, learnt_in_status
from support.builders import operator_objects as o

READY = Condition.true(AgentCondition.MODEL_READY, Reason.AVAILABLE, "http://model/v1/models lists 1 models")
FALLBACK = {"model": "f", "endpoint": "http://f/v1"}


def learnt(model: str = "m", at: float = 1000.0, **more: Any) -> LearntModel:
    return LearntModel(endpoint="http://model/v1", model=model, learnt_at=at, **more)


def agent(**llm: Any) -> Agent:
    return Agent.model_validate(o.agent_body(llm={"model": "m", "endpoint": "http://model/v1", **llm}))


def test_the_newest_of_each_model_is_kept() -> None:
    old, new, other = learnt(bounded=True), learnt(at=1001.0), learnt("other")
    assert merged([old], [new, other], 0.0) == (new, other)
    assert merged([new], [old], 0.0) == (new,)


def test_what_was_learnt_before_a_change_of_the_settings_does_not_count() -> None:
    assert merged([], [learnt(at=999.9), learnt("n", at=1000.0)], 1000.0) == (learnt("n", at=1000.0),)


def test_the_number_of_models_is_bounded() -> None:
    many = [learnt(f"m{n:02d}", at=float(n)) for n in range(40)]
    assert merged([], many, 0.0) == tuple(many[-MAX_KEPT:])


def test_it_is_forgotten_after_an_hour() -> None:
    found = learnt()
    assert unexpired([found], 1000.0 + LIFETIME_S - 1) == (found,)
    assert unexpired([found], 1000.0 + LIFETIME_S) == ()
    assert unexpired([found], 990.0) == (found,), "the clock of the worker is ahead"
    assert unexpired([learnt(at=9e9)], 1000.0) == ()


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (learnt(refused=("top_p",)), "The server does not take top_p: it is not sent."),
        (
            learnt(refused=("temperature", "top_p")),
            "The server does not take temperature and top_p: they are not sent.",
        ),
        (learnt(refused=("a", "b", "c")), "The server does not take a, b and c: they are not sent."),
        (learnt(output="JSONObject"), "The server takes no JSON schema: answers are requested as JSON objects."),
        (learnt(output="Text"), "The server takes neither a JSON schema"),
        (learnt(bounded=True), "Answers of m were cut off at maxTokens: texts and lists are bounded."),
    ],
)
def test_model_ready_tells_what_the_server_does_not_take(found: LearntModel, expected: str) -> None:
    told = with_behaviour(READY, agent(), [found])
    assert told.message.startswith(f"http://model/v1/models lists 1 models. {expected}")
    assert (told.status, told.reason) == ("True", "Available")


def test_an_agent_with_fallbacks_is_told_which_server() -> None:
    told = with_behaviour(READY, agent(fallbacks=[FALLBACK]), [learnt(refused=("top_p",))])
    assert "The server http://model/v1 does not take top_p" in told.message


def test_nothing_is_told_of_a_model_that_is_not_ready() -> None:
    down = Condition.false(AgentCondition.MODEL_READY, Reason.MODEL_UNREACHABLE, "gone")
    assert with_behaviour(down, agent(), [learnt(refused=("top_p",))]) is down
    assert with_behaviour(READY, agent(), []) is READY


def test_the_status_shows_it_and_is_read_back_by_the_next_process() -> None:
    found = (learnt(refused=("temperature",), output="JSONObject", bounded=True), learnt("other", at=1001.0))
    patch = behaviour_status(found)
    assert patch["modelBehaviour"][0] == {
        "endpoint": "http://model/v1",
        "model": "m",
        "refused": ["temperature"],
        "output": "JSONObject",
        "bounded": True,
        "learntAt": "1970-01-01T00:16:40Z",
    }
    body = {"metadata": {"generation": 3}, "status": {"observedGeneration": 3, **patch}}
    assert learnt_in_status(body) == found
    assert learnt_in_status(body | {"metadata": {"generation": 4}}) == ()
    spoilt = {"observedGeneration": 3, "modelBehaviour": [{"endpoint": "e", "learntAt": "yesterday"}, {}]}
    assert learnt_in_status(body | {"status": spoilt}) == ()


def test_a_status_without_it_is_not_written_for_it() -> None:
    assert merge_patch({}, behaviour_status(())) == {}
    assert merge_patch({"modelBehaviour": []}, behaviour_status(())) == {}
