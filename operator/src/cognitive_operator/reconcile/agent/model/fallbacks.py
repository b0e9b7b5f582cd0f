"""Availability of an agent's fallback models while its first model is unreachable."""

import asyncio

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason, as_sentence
from cognitive_operator.api.llm import Fallback
from cognitive_operator.api.resources import Agent
from cognitive_operator.errors import ObjectInvalidError, ObjectNotFoundError, TransientError
from cognitive_operator.plan.agent.conditions import target_of
from cognitive_operator.ports.kube import Secrets
from cognitive_operator.ports.model import ModelProbe


async def with_fallbacks(secrets: Secrets, probe: ModelProbe, agent: Agent, first: Condition) -> Condition:
    """Return the ModelReady condition: True if the first model is unreachable and a fallback answers, else ``first``.

    Executors use a fallback in that case too, so tasks need not wait.
    """
    if not _is_out_of_reach(agent, first):
        return first
    namespace, fallbacks = agent.metadata.namespace, agent.spec.llm.fallbacks
    answers = await asyncio.gather(*(_answers(secrets, probe, namespace, each) for each in fallbacks))
    number = next((number for number, answers_now in enumerate(answers) if answers_now), None)
    if number is None:
        return first
    message = (
        f"{as_sentence(first.message)} Meanwhile executors use spec.llm.fallbacks[{number}], {fallbacks[number].url}."
    )
    return Condition.true(AgentCondition.MODEL_READY, Reason.FALLBACK_AVAILABLE, message)


def _is_out_of_reach(agent: Agent, first: Condition) -> bool:
    """Return True if executors cannot reach the first model; they cannot reach an own server that is not ready."""
    is_own = agent.spec.llm.vllm is not None and first.is_false and first.reason != Reason.SUSPENDED
    return is_own or first.reason == Reason.MODEL_UNREACHABLE


async def _answers(secrets: Secrets, probe: ModelProbe, namespace: str, fallback: Fallback) -> bool:
    ref = fallback.api_key_secret_ref
    try:
        key = await secrets.read_key(namespace, ref.name, ref.key) if ref else None
    except (ObjectInvalidError, ObjectNotFoundError, TransientError):
        return False
    return (await probe.check(target_of(fallback), key)).ok
