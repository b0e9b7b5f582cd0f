"""The request of an attempt; context that the task does not set comes from the agent's counters."""

import re
from collections.abc import Sequence
from typing import Any, Final

from cognitive_operator.api.llm import LLM
from cognitive_operator.api.llm import Fallback as LLMFallback
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.wire import ContextSource, ContextSources, MemorySource, Request, attempt_key
from cognitive_operator.api.wire_settings import (
    AgentSettings,
    CacheSettings,
    Demonstration,
    EnergySettings,
    Fallback,
    LearntModel,
    LLMLogging,
    LLMSettings,
    RateLimitSettings,
    ReasoningSettings,
)
from cognitive_operator.desired.tools import tool_settings

API_KEY_FILE: Final = "llm-api-key"
"""File of the model's key below ``$COGNITIVE_SECRETS_DIR/<agentUID>/``."""
REDIS_URL_FILE: Final = "redis-url"
"""File of the URL of the agent's Redis, in the same folder."""
SERVE_TOKEN_FILE: Final = "serve-token"
"""File of the bearer token of the agent's HTTP route on Ray Serve, in the same folder."""


def desired_request(task: Task, agent: Agent, key: AttemptKey, master_key: bytes, now: str) -> Request:
    """Build the request of one attempt, with the agent's present settings and counters, without learnt behaviour."""
    context, sources = supplied_context(task, agent)
    return Request(
        namespace=task.metadata.namespace,
        task_name=task.metadata.name,
        task_uid=key.task_uid,
        attempt=key.number,
        agent_name=agent.metadata.name,
        agent_uid=key.agent_uid,
        mode=agent.spec.execution.wire_mode,
        attempt_key=attempt_key(master_key, key.task_uid, key.number).hex(),
        published_at=now,
        timeout_seconds=task.timeout_s(agent),
        task_type=snake_case(task.spec.type),
        input=task.spec.input,
        context=context,
        context_sources=sources,
        constraints=task.spec.constraints,
        output_schema=task.spec.output_schema,
        token_budget=task.tokens_left(task.status.attempts),
        tools=tool_settings(task, agent) if task.spec.tools.enabled else None,
        placement=task.place(agent).placement,
        agent=agent_settings(agent),
    )


def with_learnt(request: Request, learnt: Sequence[LearntModel]) -> Request:
    """Return the request with the behaviour of the agent's models that executors have learnt."""
    llm = request.agent.llm.model_copy(update={"learnt": tuple(learnt)})
    return request.model_copy(update={"agent": request.agent.model_copy(update={"llm": llm})})


def supplied_context(task: Task, agent: Agent) -> tuple[dict[str, Any], ContextSources]:
    """Return the context and the source of each part.

    The executor supplies memory: agents have none, and invented figures would mislead the model.
    """
    given = {name: value for name, value in task.spec.context.items() if value is not None}
    supplied = {"energy": _energy(agent), "lifecycle": _lifecycle(agent)}

    def source(name: str) -> ContextSource:
        return "task" if name in given else "agent" if name in supplied else "none"

    memory: MemorySource = "task" if "memory" in given else "none"
    sources = ContextSources(memory=memory, energy=source("energy"), lifecycle=source("lifecycle"))
    return supplied | given, sources


def _energy(agent: Agent) -> dict[str, Any]:
    return {"cognitive_cost": agent.status.energy.cognitive_cost}


def _lifecycle(agent: Agent) -> dict[str, Any]:
    """Return the agent's history with the keys of the original's agents."""
    probabilities = agent.spec.role_probabilities
    return {
        "agent_id": agent.metadata.name,
        "created_at": agent.metadata.creation_timestamp.isoformat().replace("+00:00", "Z"),
        "capability_score": round(agent.status.capability_score, 4),
        **({"role_probabilities": probabilities} if probabilities else {}),
        "tasks_processed": agent.status.tasks_processed,
        "successful_tasks": agent.status.tasks_succeeded,
    }


def agent_settings(agent: Agent) -> AgentSettings:
    """Return the agent's present settings, without learnt behaviour."""
    spec = agent.spec
    return AgentSettings(
        generation=agent.metadata.generation,
        role=spec.role,
        role_probabilities=spec.role_probabilities,
        system_prompt=spec.system_prompt,
        llm=llm_settings(spec.llm),
        energy=EnergySettings(cost_per_character=spec.energy.cost_per_character),
        demonstrations=tuple(
            Demonstration(type=snake_case(each.type), input=each.input, output=each.output)
            for each in spec.demonstrations
        ),
    )


def llm_settings(llm: LLM) -> LLMSettings:
    """Return the settings of model calls, without learnt behaviour."""
    return LLMSettings(
        provider=llm.provider,
        model=llm.model,
        endpoint=llm.url,
        api_version=llm.api_version,
        redis_url_file=REDIS_URL_FILE if "Redis" in llm.backends else None,
        api_key_file=API_KEY_FILE if llm.api_key_secret_ref else None,
        max_tokens=llm.max_tokens,
        structured_output=llm.structured_output,
        reasoning=ReasoningSettings(**llm.reasoning.model_dump()) if llm.reasoning else None,
        extra_body=llm.extra_body,
        temperature=llm.temperature,
        top_p=llm.top_p,
        timeout_seconds=llm.timeout_seconds,
        max_retries=llm.max_retries,
        frequency_penalty=llm.frequency_penalty,
        presence_penalty=llm.presence_penalty,
        stream=llm.stream,
        retry_delay_seconds=llm.retry_delay_seconds,
        logging=LLMLogging(**llm.logging.model_dump()),
        cache=CacheSettings(**llm.cache.model_dump()),
        rate_limit=RateLimitSettings(**llm.rate_limit.model_dump()) if llm.rate_limit else None,
        fallbacks=tuple(_fallback(each, number) for number, each in enumerate(llm.fallbacks, start=1)),
    )


def _fallback(each: LLMFallback, number: int) -> Fallback:
    key_file = fallback_key_file(number) if each.api_key_secret_ref else None
    return Fallback(
        provider=each.provider,
        model=each.model,
        endpoint=each.url,
        api_key_file=key_file,
        api_version=each.api_version,
    )


def fallback_key_file(number: int) -> str:
    """Return the file of a fallback's key; ``number`` is its position in the list, from 1."""
    return f"{API_KEY_FILE}-{number}"


def variant_key_file(name: str) -> str:
    """Return the file of a variant's own key."""
    return f"{API_KEY_FILE}-variant-{name}"


def secret_files(llm: LLM) -> tuple[str, ...]:
    """Return the files without which an executor cannot call the agent's models."""
    own = (API_KEY_FILE,) if llm.api_key_secret_ref else ()
    redis = (REDIS_URL_FILE,) if "Redis" in llm.backends else ()
    keys = (fallback_key_file(n) for n, each in enumerate(llm.fallbacks, start=1) if each.api_key_secret_ref)
    varied = (variant_key_file(each.name) for each in llm.variants if each.api_key_secret_ref)
    return (*own, *keys, *varied, *redis)


def executor_files(agent: Agent) -> tuple[str, ...]:
    """Return the files without which an executor cannot call the agent's models, or serve its HTTP route."""
    token = (SERVE_TOKEN_FILE,) if agent.spec.execution.serve_token else ()
    return (*secret_files(agent.spec.llm), *token)


def snake_case(name: str) -> str:
    """Convert the resource's spelling to the wire's: ``FailureAnalysis`` to ``failure_analysis``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
