"""The request of an attempt."""

import re
from typing import Final

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.wire import (
    AgentSettings,
    CacheSettings,
    EnergySettings,
    LLMSettings,
    RateLimitSettings,
    Request,
    attempt_key,
)

API_KEY_FILE: Final = "llm-api-key"
"""File of the model's key below ``$COGNITIVE_SECRETS_DIR/<agentUID>/``."""


def desired_request(task: Task, agent: Agent, key: AttemptKey, master_key: bytes, now: str) -> Request:
    """Build the request of one attempt; it holds the agent's settings as they are now."""
    return Request(
        namespace=task.metadata.namespace,
        task_name=task.metadata.name,
        task_uid=key.task_uid,
        attempt=key.number,
        agent_name=agent.metadata.name,
        agent_uid=key.agent_uid,
        mode=agent.spec.execution.mode,
        attempt_key=attempt_key(master_key, key.task_uid, key.number).hex(),
        published_at=now,
        timeout_seconds=task.timeout_s(agent),
        task_type=snake_case(task.spec.type),
        input=task.spec.input,
        context=task.spec.context,
        constraints=task.spec.constraints,
        agent=_settings(agent),
    )


def _settings(agent: Agent) -> AgentSettings:
    spec, llm = agent.spec, agent.spec.llm
    return AgentSettings(
        generation=agent.metadata.generation,
        role=spec.role,
        role_probabilities=spec.role_probabilities,
        system_prompt=spec.system_prompt,
        llm=LLMSettings(
            provider=llm.provider,
            model=llm.model,
            endpoint=llm.endpoint,
            api_key_file=API_KEY_FILE if llm.api_key_secret_ref else None,
            max_tokens=llm.max_tokens,
            temperature=llm.temperature,
            top_p=llm.top_p,
            timeout_seconds=llm.timeout_seconds,
            max_retries=llm.max_retries,
            cache=CacheSettings(**llm.cache.model_dump()),
            rate_limit=RateLimitSettings(**llm.rate_limit.model_dump()) if llm.rate_limit else None,
        ),
        energy=EnergySettings(cost_per_character=spec.energy.cost_per_character),
    )


def snake_case(name: str) -> str:
    """Return ``FailureAnalysis`` as ``failure_analysis``: the resource's spelling as the wire's."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
