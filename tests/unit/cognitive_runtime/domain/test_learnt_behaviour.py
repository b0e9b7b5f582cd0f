"""Store of the learnt behaviour of models."""

from cognitive_runtime.domain import LearntBehaviour, ModelBehaviour
from cognitive_runtime.domain.behaviour import LIFETIME_S


class Wall:
    """Wall clock of a test."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_findings_about_one_model_add_up() -> None:
    learnt = LearntBehaviour(Wall())
    learnt.learn(ModelBehaviour("u", "m", frozenset({"temperature"}), "JSONObject"))
    learnt.learn(ModelBehaviour("u", "m", frozenset({"top_p"})))
    learnt.learn(ModelBehaviour("u", "m", bounded=True))
    whole = ModelBehaviour("u", "m", frozenset({"temperature", "top_p"}), "JSONObject", True, 1000.0)
    assert learnt.of("u", "m") == whole
    assert learnt.of("u", "other") == ModelBehaviour("u", "other")
    assert learnt.of("other", "m") == ModelBehaviour("other", "m")


def test_the_last_refused_name_of_the_token_limit_counts() -> None:
    learnt = LearntBehaviour(Wall())
    learnt.learn(ModelBehaviour("u", "m", frozenset({"max_tokens", "top_p"})))
    learnt.learn(ModelBehaviour("u", "m", frozenset({"max_completion_tokens"})))
    assert learnt.of("u", "m").refused == {"max_completion_tokens", "top_p"}


def test_a_snapshot_has_what_is_known_and_fresh_in_order() -> None:
    wall = Wall()
    learnt = LearntBehaviour(wall)
    learnt.learn(ModelBehaviour("u", "old", bounded=True))
    wall.now_s += 1
    found = [learnt.learn(ModelBehaviour("u", name, bounded=True)) for name in ("b", "a")]
    learnt.learn(ModelBehaviour("u", "c"))
    wall.now_s += LIFETIME_S - 1
    assert learnt.snapshot() == tuple(reversed(found))


def test_the_later_finding_of_two_processes_counts() -> None:
    learnt = LearntBehaviour(Wall())
    learnt.learn(ModelBehaviour("u", "m", bounded=True))
    learnt.merge([ModelBehaviour("u", "m", output="Text", learnt_at_s=999.0)])
    assert learnt.of("u", "m").bounded
    wall_later = Wall()
    wall_later.now_s = 2000.0
    later = LearntBehaviour(wall_later)
    later.merge(learnt.snapshot())
    later.merge([ModelBehaviour("u", "m", output="Text", learnt_at_s=1001.0)])
    assert later.of("u", "m") == ModelBehaviour("u", "m", output="Text", learnt_at_s=1001.0)


def test_a_finding_from_a_clock_that_is_ahead_expires_too() -> None:
    wall = Wall()
    learnt = LearntBehaviour(wall)
    learnt.merge([ModelBehaviour("u", "m", bounded=True, learnt_at_s=1e12)])
    assert learnt.of("u", "m").bounded
    wall.now_s += LIFETIME_S
    assert not learnt.of("u", "m").bounded


def test_a_suspicion_lasts_for_an_hour_or_until_a_success() -> None:
    wall = Wall()
    learnt = LearntBehaviour(wall)
    for name in ("m", "n"):
        learnt.suspect("u", name)
    learnt.trust("u", "n")
    assert [learnt.is_suspected("u", name) for name in ("m", "n", "o")] == [True, False, False]
    wall.now_s += LIFETIME_S
    assert not learnt.is_suspected("u", "m")
