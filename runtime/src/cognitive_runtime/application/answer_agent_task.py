"""Use case: answer a task of a configured agent, in text or with tools."""

from cognitive_runtime.application.generate_proposal import GenerateProposal
from cognitive_runtime.domain import AgentConfig, AgentTask, IToolAgent, IVLLMClient, Reasoning, VLLMResponse


class AnswerAgentTask:
    """Chooses by ``AgentConfig.enable_tools`` between ``GenerateProposal`` and an agent with tools.

    Raises:
        ValueError: The configuration enables tools and there is no agent for them.
    """

    def __init__(self, config: AgentConfig, vllm_client: IVLLMClient, tool_agent: IToolAgent | None = None) -> None:
        """Take the configuration, the model, and the agent for tasks with tools."""
        if config.enable_tools and tool_agent is None:
            raise ValueError("enable_tools: tool_agent is needed, such as VLLMAgent")
        self._tool_agent = tool_agent if config.enable_tools else None
        self._generate = GenerateProposal(vllm_client, config)

    async def __call__(self, task: AgentTask, limit_s: float) -> VLLMResponse | Reasoning:
        """Return the proposal, or the answer of the agent with tools.

        Args:
            task: The task.
            limit_s: Time limit of an answer with tools, in seconds.

        Raises:
            ReasoningError: The class tells the cause, and whether to retry.
        """
        if self._tool_agent is not None:
            return await self._tool_agent(task, limit_s)
        return await self._generate(task)
