"""Use case: generate a proposal for a task in free text."""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from cognitive_runtime.application.proposal_prompt import proposal_messages
from cognitive_runtime.domain import (
    AgentConfig,
    AgentSettings,
    AgentTask,
    DeadlineExceeded,
    IVLLMClient,
    TruncatedResponse,
    VLLMRequest,
    VLLMResponse,
)

_SEEDS: Final = 2**31
"""Number of seeds. Servers accept at least 31 bits."""


class GenerateProposal:
    """Generates a proposal from role, rubric, requirements, constraints and diversity."""

    def __init__(
        self, vllm_client: IVLLMClient, config: AgentConfig | AgentSettings, limit_s: float | None = None
    ) -> None:
        """Take the client and the agent.

        Args:
            vllm_client: Client of the model.
            config: Configuration of an agent, or its settings in a request.
            limit_s: Time limit of a task without the constraint ``timeout``, in seconds; None: that of the agent.
        """
        self._client = vllm_client
        self._config = config
        own_s = config.timeout if isinstance(config, AgentConfig) else config.llm.timeout_seconds
        self._limit_s = own_s if limit_s is None else limit_s

    async def __call__(self, task: AgentTask, background: Mapping[str, Any] | None = None) -> VLLMResponse:
        """Return the proposal within the time limit of the task.

        Args:
            task: The task.
            background: Memory, energy, lifecycle and role probabilities of the agent, for the prompt.

        Raises:
            ReasoningError: The class tells the cause, and whether to retry.
        """
        limit_s = self._limit_s if task.own_timeout_s is None else task.own_timeout_s
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                proposal = await self._client.generate(self._request(task, background or {}))
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineExceeded(f"The task ran for its limit of {limit_s:g} s.") from None
        if proposal.is_truncated:
            tokens = self._settings()["max_tokens"]
            raise TruncatedResponse(f"The proposal was cut off at {tokens} tokens.", usage=proposal.usage)
        return proposal

    def _request(self, task: AgentTask, background: Mapping[str, Any]) -> VLLMRequest:
        seed = _seed(task) if task.diversity else 0
        request = VLLMRequest(
            messages=proposal_messages(task, self._config.role, self._system_prompt(), background, variant=seed),
            request_id=task.task_id,
            max_retries=task.max_retries,
            **self._settings(),
        )
        return request.with_diversity(seed) if task.diversity else request

    def _system_prompt(self) -> str:
        return (self._config.system_prompt or "") if isinstance(self._config, AgentSettings) else ""

    def _settings(self) -> dict[str, Any]:
        """Return the fields of a request that the agent sets."""
        config = self._config
        if isinstance(config, AgentConfig):
            own = {"model": config.model, "temperature": config.temperature, "max_tokens": config.max_tokens}
            return own | {"timeout_s": config.timeout, "output": "Text"}
        llm = config.llm
        names = ("model", "temperature", "top_p", "max_tokens", "frequency_penalty", "presence_penalty", "stream")
        further = {"reasoning_effort": llm.reasoning.effort, "extra_body": dict(llm.extra_body), "output": "Text"}
        return {name: getattr(llm, name) for name in names} | further


def _seed(task: AgentTask) -> int:
    """Return the seed of a task: another one for each task, and the same for each call of one task."""
    return int.from_bytes(hashlib.sha256(task.task_id.encode("utf-8", "replace")).digest()[:8], "big") % _SEEDS
