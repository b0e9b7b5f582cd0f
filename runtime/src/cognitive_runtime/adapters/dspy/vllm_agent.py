"""Agent that answers tasks with tools, for programs without a broker."""

from collections.abc import Sequence
from uuid import uuid4

from cognitive_runtime.adapters.dspy.core import CognitiveCore
from cognitive_runtime.adapters.dspy.tool_tasks import ToolTasks
from cognitive_runtime.domain import (
    AgentConfig,
    AgentSettings,
    AgentTask,
    CallMeter,
    CognitiveTaskType,
    ExecutionRequest,
    IAllowance,
    IToolboxes,
    IVLLMClient,
    LLMSettings,
    ModelBehaviour,
    Reasoning,
    SignatureField,
    TaskSignature,
    ToolServer,
    ToolSettings,
    Workspace,
)

_INSTRUCTIONS = (
    "Carry out the task with the tools. Report only what their observations show. If the task cannot be carried out "
    "with them, say so and name the reason."
)
_SIGNATURE = TaskSignature(
    name="tool-task",
    generation=1,
    instructions=_INSTRUCTIONS,
    module="ReAct",
    inputs=(SignatureField("task_description"), SignatureField("task_context", optional=True)),
    outputs=(SignatureField("answer"),),
)


class VLLMAgent:
    """Implements ``IToolAgent``: the files of ``workspace_path``, and tools of MCP servers.

    Without a model, or without progress, a task fails. Files are never edited without the model.

    Raises:
        ValueError: The configuration does not enable tools.
    """

    def __init__(
        self,
        config: AgentConfig,
        vllm_client: IVLLMClient,
        toolboxes: IToolboxes,
        *,
        servers: Sequence[ToolServer] = (),
        read_only: bool = True,
        max_operations: int = 100,
        max_iterations: int = 10,
    ) -> None:
        """Take the agent and its tools.

        Args:
            config: Configuration with ``enable_tools`` and ``workspace_path``.
            vllm_client: Client of the model.
            toolboxes: Source of the tools.
            servers: MCP servers with their allow-lists.
            read_only: False to allow writing files of the workspace.
            max_operations: Calls of tools for one task.
            max_iterations: Steps of the model for one task.
        """
        if not config.enable_tools:
            raise ValueError("enable_tools: a VLLMAgent needs a configuration that enables tools")
        self._config = config
        self._client = vllm_client
        self._toolboxes = toolboxes
        workspace = Workspace("PersistentVolume", str(config.workspace_path), read_only=read_only)
        self._tools = ToolSettings(tuple(servers), workspace, max_operations, max_iterations)

    async def __call__(self, task: AgentTask, limit_s: float) -> Reasoning:
        """Return the answer with its operations, artifacts and audit trail.

        Raises:
            ReasoningError: The class tells the cause. It has the operations up to the failure.
        """
        core = CognitiveCore(_OneModel(self._client), tools=ToolTasks(self._toolboxes))  # not pickled with the agent
        return await core.reason(self._request(task, limit_s))

    def _request(self, task: AgentTask, limit_s: float) -> ExecutionRequest:
        config = self._config
        llm = LLMSettings(
            "vllm",
            config.model,
            config.vllm_url,
            max_tokens=config.max_tokens,
            temperature=config.temperature,
            timeout_seconds=config.timeout,
        )
        given = {"task_description": task.task_description} | ({"task_context": task.context} if task.context else {})
        return ExecutionRequest(
            namespace="local",
            task_name=task.task_id,
            task_uid=str(uuid4()),
            attempt=1,
            agent_name=config.agent_id,
            agent_uid=config.agent_id,
            mode="Embedded",
            attempt_key="",
            timeout_seconds=limit_s,
            task_type=CognitiveTaskType.CUSTOM,
            input=given,
            constraints=task.constraints,
            agent=AgentSettings(str(config.role), llm),
            signature=_SIGNATURE,
            tools=self._tools,
        )


class _OneModel:
    """Implements ``IModelSource`` with the client of the program."""

    def __init__(self, client: IVLLMClient) -> None:
        self._client = client

    def open(
        self,
        request: ExecutionRequest,
        deadline_s: float,
        allowance: IAllowance | None = None,
        meter: CallMeter | None = None,
    ) -> IVLLMClient:
        return self._client

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        return ()

    async def close(self) -> None:
        return
