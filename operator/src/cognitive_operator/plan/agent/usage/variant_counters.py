"""Counters of an agent's variants, counted with the agent's own counters from the stream of responses."""

from collections.abc import Callable, Collection
from typing import Final

from cognitive_operator.api.counters import Counters, VariantCounters
from cognitive_operator.api.wire import Calls, Completed, Failed

MAX_KEPT: Final = 16
"""Variants in a status: the CRD's ``maxItems``. The agent has at most 8; the others were removed from it."""
Change = Callable[[VariantCounters], VariantCounters]
_NO_CALLS: Final = Calls()


def counted_variant(counters: Counters, name: str | None, task_variant: str | None, present: Collection[str]) -> str:
    """Return the variant to which a response is counted, an empty text for none.

    Args:
        counters: The agent's counters.
        name: Variant that the response names.
        task_variant: Variant that the status of its task names; None: none, or the task is deleted.
        present: Names of the agent's variants.
    """
    known = {*present, task_variant, *(each.name for each in counters.variants)}
    if name is not None and name in known:
        return name
    return task_variant or ""


def with_variant(counters: Counters, name: str, present: Collection[str], change: Change) -> Counters:
    """Return the counters with a change of one variant's; the oldest removed variants make room for a new one."""
    if not name:
        return counters
    found = {each.name: each for each in counters.variants}
    removed = [each for each in found if each not in present and each != name]
    if name not in found and len(found) >= MAX_KEPT and removed:
        del found[removed[0]]
    if name not in found and len(found) >= MAX_KEPT:
        return counters
    found[name] = change(found.get(name) or VariantCounters(name=name))
    return counters.model_copy(update={"variants": tuple(found.values())})


def with_variant_costs(variant: VariantCounters, response: Completed | Failed) -> VariantCounters:
    """Return a variant's counters with the tokens and the model calls of an attempt."""
    usage, calls = response.usage, response.calls or _NO_CALLS
    is_hit = isinstance(response, Completed) and response.cache_hit
    return variant.model_copy(
        update={
            "tokens": variant.tokens.plus(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens),
            "calls": variant.calls + calls.count,
            "repairs": variant.repairs + calls.repairs,
            "cache_hits": variant.cache_hits + int(is_hit),
            "wait_milliseconds": variant.wait_milliseconds + calls.waits_ms,
        }
    )


def with_variant_task(variant: VariantCounters, response: Completed | Failed, *, is_success: bool) -> VariantCounters:
    """Return a variant's counters with a finished task, by the response of its last attempt."""
    confidence = response.confidence if is_success and isinstance(response, Completed) else None
    changes = {
        "tasks_processed": variant.tasks_processed + 1,
        "tasks_succeeded": variant.tasks_succeeded + int(is_success),
        "duration_seconds": variant.duration_seconds.plus(response.duration_ms / 1000),
    }
    known = {} if confidence is None else {"confidence": variant.confidence.plus(confidence)}
    return variant.model_copy(update=changes | known)
