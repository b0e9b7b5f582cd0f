"""Counters of variants: the variant of a response, and the room for removed ones."""

from typing import Any

from cognitive_operator.api.counters import Counters, VariantCounters
from cognitive_operator.api.resources import Agent
from cognitive_operator.plan.agent.usage.variant_counters import (
    MAX_KEPT,
    counted_variant,
    with_variant,
    with_variant_costs,
)
from cognitive_operator.status.agent import counters_status, variant_status
from support.builders import operator_objects as o


def counters(*names: str) -> Counters:
    return Counters(variants=tuple(VariantCounters(name=name, tasks_processed=1) for name in names))


def marked(variant: VariantCounters) -> VariantCounters:
    return variant.model_copy(update={"calls": 7})


def test_a_response_counts_for_the_variant_that_it_names() -> None:
    assert counted_variant(counters(), "a", "b", ["a", "b"]) == "a"
    assert counted_variant(counters("removed"), "removed", None, ["b"]) == "removed"


def test_a_response_of_an_older_executor_counts_for_the_variant_of_its_task() -> None:
    assert counted_variant(counters(), None, "b", ["a", "b"]) == "b"
    assert counted_variant(counters(), None, None, ["a"]) == ""


def test_a_name_that_the_agent_never_had_counts_for_no_variant() -> None:
    assert counted_variant(counters("a"), "forged", None, ["a"]) == ""
    assert counted_variant(counters("a"), "forged", "a", ["a"]) == "a"
    assert with_variant(counters("a"), "", ["a"], marked) == counters("a")


def test_the_oldest_removed_variant_makes_room_for_a_new_one() -> None:
    names = [f"v{number}" for number in range(MAX_KEPT)]
    found = with_variant(counters(*names), "new", [*names[:8], "new"], marked)
    assert [each.name for each in found.variants] == [*names[:8], *names[9:], "new"]
    assert found.variants[-1].calls == 7


def test_a_known_variant_keeps_its_place() -> None:
    found = with_variant(counters("a", "b"), "a", ["a", "b"], marked)
    assert [(each.name, each.calls) for each in found.variants] == [("a", 7), ("b", 0)]


def test_the_costs_of_an_attempt_are_those_of_its_response() -> None:
    calls = {"count": 3, "repairs": 1, "waits_ms": 250, "latencies_ms": [1, 2, 3]}
    found = with_variant_costs(VariantCounters(name="a"), o.completed(calls=calls, cache_hit=True))
    found = with_variant_costs(found, o.failed())
    assert (found.calls, found.repairs, found.wait_milliseconds, found.cache_hits) == (3, 1, 250, 1)
    assert (found.tokens.prompt, found.tokens.completion, found.tokens.total) == (20, 10, 30)


def test_the_status_has_rates_with_their_intervals_and_reads_back() -> None:
    variant = VariantCounters(name="a", tasks_processed=10, tasks_succeeded=8)
    for value in (0.9, 1.0):
        variant = variant.model_copy(update={"confidence": variant.confidence.plus(value)})
    shown = variant_status(variant)
    assert (shown["successRate"], shown["successRateLow"], shown["successRateHigh"]) == (0.8, 0.4902, 0.9433)
    assert shown["confidence"] == {"count": 2, "mean": 0.95, "squares": 0.005, "low": 0.3147, "high": 1.0}
    assert shown["durationSeconds"] == {"count": 0, "mean": 0.0, "squares": 0.0}
    body: dict[str, Any] = o.agent_body() | {"status": counters_status(Counters(variants=(variant,)))}
    assert Agent.model_validate(body).status.variants == (variant,)


def test_an_agent_without_variants_has_none_in_its_status() -> None:
    assert "variants" not in counters_status(Counters())
