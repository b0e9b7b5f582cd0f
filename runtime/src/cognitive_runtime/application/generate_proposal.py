"""Use case: generate a proposal for a task in free text."""

import asyncio

from cognitive_runtime.application.proposal_prompt import proposal_messages
from cognitive_runtime.domain import (
    AgentConfig,
    AgentTask,
    DeadlineExceeded,
    IVLLMClient,
    TruncatedResponse,
    VLLMRequest,
    VLLMResponse,
)


class GenerateProposal:
    """Generates a proposal from role, rubric, requirements, constraints and diversity."""

    def __init__(self, vllm_client: IVLLMClient, config: AgentConfig) -> None:
        self._client = vllm_client
        self._config = config

    async def __call__(self, task: AgentTask) -> VLLMResponse:
        """Return the proposal within the time limit of the task.

        Raises:
            ReasoningError: The class tells the cause, and whether to retry.
        """
        try:
            async with asyncio.timeout(task.timeout_s):
                proposal = await self._client.generate(self._request(task))
        except TimeoutError:
            raise DeadlineExceeded(f"The task ran for its limit of {task.timeout_s:g} s.") from None
        if proposal.is_truncated:
            limit = self._config.max_tokens
            raise TruncatedResponse(f"The proposal was cut off at {limit} tokens.", usage=proposal.usage)
        return proposal

    def _request(self, task: AgentTask) -> VLLMRequest:
        request = VLLMRequest(
            model=self._config.model,
            messages=proposal_messages(task, self._config.role),
            temperature=self._config.temperature,
            max_tokens=self._config.max_tokens,
            request_id=task.task_id,
        )
        return request.with_diversity() if task.diversity else request
