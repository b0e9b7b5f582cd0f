"""Choice of a task's variant by its UID."""

import hashlib
from collections.abc import Sequence
from typing import Final

from cognitive_operator.api.llm import Variant
from cognitive_operator.api.resources import Agent, Task

_BITS: Final = 64


def task_variant(task: Task, agent: Agent) -> str | None:
    """Return the variant of a task's next attempt, None if its agent has none.

    A task keeps the variant that its status names, whatever its weight has become. Only if the agent no longer has it,
    the task gets another one.
    """
    variants = agent.spec.llm.variants
    if not variants:
        return None
    written = task.status.variant
    if any(variant.name == written for variant in variants):
        return written
    return chosen_variant(task.metadata.uid, variants)


def chosen_variant(uid: str, variants: Sequence[Variant]) -> str | None:
    """Return the variant of a new task: each has the share of its weight, and the same UID has the same variant.

    None if all weights are 0, which the CRD refuses.
    """
    digest = hashlib.sha256(uid.encode()).digest()[: _BITS // 8]
    left = int.from_bytes(digest) * sum(variant.weight for variant in variants) >> _BITS
    for variant in variants:
        if left < variant.weight:
            return variant.name
        left -= variant.weight
    return None
