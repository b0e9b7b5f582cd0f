"""Availability of the models of an agent's variants."""

import asyncio

from cognitive_operator.api.conditions import Condition
from cognitive_operator.api.llm import LLM, Variant
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.variants import varied_llm
from cognitive_operator.plan.agent.conditions import check_served, target_of
from cognitive_operator.ports.kube import Secrets
from cognitive_operator.ports.model import ModelProbe
from cognitive_operator.reconcile.agent.model.api_key import read_model_key
from cognitive_operator.reconcile.agent.model.fallbacks import with_fallbacks


async def with_variants(secrets: Secrets, probe: ModelProbe, agent: Agent, first: Condition) -> Condition:
    """Return the ModelReady condition: the first one that is not True of ``first`` and of the variants' models.

    A variant is checked if new tasks can have it and its model, its server or its key is not that of ``spec.llm``.
    """
    if not first.is_true:
        return first
    variants = enumerate(agent.spec.llm.variants)
    checks = [_check(secrets, probe, agent, (n, each)) for n, each in variants if _needs_check(agent.spec.llm, each)]
    found = await asyncio.gather(*checks)
    return next((each for each in found if not each.is_true), first)


def _needs_check(llm: LLM, variant: Variant) -> bool:
    is_other = variant.model not in (None, llm.model) or variant.api_key_secret_ref is not None
    return variant.weight > 0 and (variant.has_own_server or is_other)


async def _check(secrets: Secrets, probe: ModelProbe, agent: Agent, numbered: tuple[int, Variant]) -> Condition:
    number, variant = numbered
    place = f"spec.llm.variants[{number}]"
    llm = varied_llm(agent.spec.llm, variant).model_copy(update={"redis_secret_ref": None})  # it is checked already
    key = await read_model_key(secrets, agent.metadata.namespace, llm, place)
    if isinstance(key, Condition):
        return key
    found = check_served(llm, await probe.check(target_of(llm), key), place)
    found = Condition(found.type, found.status, found.reason, f"Variant {variant.name} ({place}): {found.message}")
    return await with_fallbacks(secrets, probe, agent, found)
