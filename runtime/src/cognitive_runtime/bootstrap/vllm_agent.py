"""Agent with tools for programs that use the runtime as a library."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cognitive_runtime.adapters import dspy
from cognitive_runtime.adapters.tools.toolbox import Toolboxes
from cognitive_runtime.domain import AgentConfig, CredentialsNotMounted, IVLLMClient, ToolServer


@dataclass(frozen=True)
class _Tokens:
    """Bearer tokens by name."""

    known: dict[str, str] = field(repr=False)

    def __call__(self, agent_uid: str, name: str) -> str:
        if name not in self.known:
            raise CredentialsNotMounted(f"No token with the name {name} was given.")
        return self.known[name]


class VLLMAgent(dspy.VLLMAgent):
    """Agent with the files of its ``workspace_path`` and the tools of MCP servers.

    Pass it to ``RayAgentExecutor`` as ``tool_agent``.
    """

    def __init__(
        self,
        config: AgentConfig,
        vllm_client: IVLLMClient,
        *,
        servers: Sequence[ToolServer] = (),
        tokens: dict[str, str] | None = None,
        read_only: bool = True,
        max_operations: int = 100,
        max_iterations: int = 10,
    ) -> None:
        """Take the agent and its tools; see the base class.

        Args:
            config: Configuration with ``enable_tools`` and ``workspace_path``.
            vllm_client: Client of the model.
            servers: MCP servers with their allow-lists.
            tokens: Bearer tokens by ``headers_file`` of their servers.
            read_only: False to allow writing files of the workspace.
            max_operations: Calls of tools for one task.
            max_iterations: Steps of the model for one task.

        Raises:
            ValueError: The configuration does not enable tools.
        """
        super().__init__(
            config,
            vllm_client,
            Toolboxes(_Tokens(dict(tokens or {}))),
            servers=servers,
            read_only=read_only,
            max_operations=max_operations,
            max_iterations=max_iterations,
        )
