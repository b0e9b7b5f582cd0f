"""The status of a CognitiveAgent."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from cognitive_operator.api.bounds import CONDITION_MESSAGE_CHARS, INT32_MAX, clean_text
from cognitive_operator.api.conditions import AgentCondition, Condition, as_sentence, merge_conditions, refused_status
from cognitive_operator.api.counters import Counters, VariantCounters
from cognitive_operator.api.intervals import Interval, Sample, share_interval
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire import Lease
from cognitive_operator.ports.ray import RayTarget


def agent_status(
    agent: Agent, old: Mapping[str, Any], conditions: Sequence[Condition], leases: Sequence[Lease], now: str
) -> dict[str, Any]:
    """Return the merge patch of an agent's status, without its counters and its endpoints."""
    ready, types = [lease for lease in leases if lease.ready], {each.type for each in conditions}
    kept = [c for c in old.get("conditions") or [] if c["type"] != AgentCondition.TOOLS_READY or c["type"] in types]
    return {
        "observedGeneration": agent.metadata.generation,
        "conditions": merge_conditions(kept, conditions, agent.metadata.generation, now),
        "executor": {
            "submissionId": ready[0].submission_id if ready else None,
            "workers": len(ready),
            "capacity": capacity_of(leases),
        },
    }


def conditions_alone(patch: Mapping[str, Any], refusal: str) -> dict[str, Any]:
    """Return only the conditions of a refused agent status; the message of Ready quotes the API server's refusal."""
    note = refused_status(
        f"The API server refused the other fields of the agent's status, which show an earlier state: {refusal}"
    )
    conditions = [
        {**each, "message": clean_text(f"{as_sentence(each['message'])} {note}", CONDITION_MESSAGE_CHARS)}
        if each["type"] == AgentCondition.READY
        else each
        for each in patch["conditions"]
    ]
    return {"observedGeneration": patch["observedGeneration"], "conditions": conditions}


def endpoints_status(agent: Agent, target: RayTarget | None) -> dict[str, Any]:
    """Return the part of an agent's status with its Ray dashboard and its model."""
    llm = agent.spec.llm
    return {"endpoints": {"ray": target.url if target else None, "llm": llm.url, "model": llm.model}}


def secret_status(name: str | None) -> dict[str, Any]:
    """Return the part of an agent's status with the Secret of the RayCluster that it refers to."""
    return {"secretName": name}


def capacity_of(leases: Sequence[Lease]) -> int:
    """Return the number of tasks that the ready workers can run at once."""
    return min(INT32_MAX, sum(lease.capacity for lease in leases if lease.ready))


def queue_status(queued: int, running: int) -> dict[str, Any]:
    """Return the part of an agent's status about its queue."""
    return {"queued": queued, "running": running}


def counters_status(counters: Counters) -> dict[str, Any]:
    """Return the part of an agent's status with its counters."""
    kept = counters.model_dump(mode="json", by_alias=True, exclude={"variants"})
    if counters.variants:
        kept["variants"] = [variant_status(each) for each in counters.variants]
    rates = {
        "successRate": counters.success_rate,
        "averageDurationSeconds": counters.average_duration_seconds,
        "averageQuality": counters.average_quality,
    }
    return kept | {name: None if value is None else round(value, 4) for name, value in rates.items()}


def variant_status(variant: VariantCounters) -> dict[str, Any]:
    """Return the counters of a variant, with the rates and intervals that follow from them.

    Unknown ones are absent: a list is written whole, and has no nulls.
    """
    found = variant.model_dump(mode="json", by_alias=True)
    found["confidence"] |= _bounds(variant.confidence, (0.0, 1.0))
    found["durationSeconds"] |= _bounds(variant.duration_seconds, (0.0, inf))
    interval = share_interval(variant.tasks_succeeded, variant.tasks_processed)
    if interval is None or variant.success_rate is None:
        return found
    rate = {"successRate": round(variant.success_rate, 4)}
    return found | rate | {f"successRate{name.capitalize()}": value for name, value in _shown(interval).items()}


def _bounds(sample: Sample, limits: tuple[float, float]) -> dict[str, float]:
    """Return the interval of a mean within the limits of its values."""
    if sample.interval is None:
        return {}
    low, high = sample.interval
    return _shown(Interval(max(limits[0], low), min(limits[1], high)))


def _shown(interval: Interval) -> dict[str, float]:
    return {"low": round(interval.low, 4), "high": round(interval.high, 4)}
