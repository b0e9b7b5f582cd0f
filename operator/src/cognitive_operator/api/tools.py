"""The ``spec.tools`` sections of a CognitiveAgent and of a CognitiveTask."""

from typing import Final

from cognitive_operator.api.llm import SecretKeyRef
from cognitive_operator.api.ray_spec import RayResources
from cognitive_operator.api.resource_model import ResourceModel

SIDECAR_PATH: Final = "/mcp"
"""Path at which a sidecar serves. Source: the default of the MCP SDKs."""


class ToolTokenRef(SecretKeyRef):
    """A key of a Secret that holds the bearer token of an MCP server."""

    key: str = "token"


class ToolServer(ResourceModel):
    """An MCP server: exactly one of ``url`` and ``command`` is set."""

    name: str
    url: str | None = None
    command: tuple[str, ...] | None = None
    """Program of a sidecar and its arguments; it serves streamable HTTP at ``port``."""
    image: str | None = None
    port: int | None = None
    resources: RayResources | None = None
    allow: tuple[str, ...] = ()
    """Patterns of the tools that may be called; ``*`` stands for any characters."""
    token_secret_ref: ToolTokenRef | None = None
    timeout_seconds: int = 30

    @property
    def address(self) -> str:
        """URL of the server as executors reach it."""
        return self.url or f"http://127.0.0.1:{self.port}{SIDECAR_PATH}"


class EmptyDirWorkspace(ResourceModel):
    """An empty directory."""

    size_limit: str | int | None = None


class GitWorkspace(ResourceModel):
    """A clone of a git repository."""

    url: str
    ref: str | None = None
    """Absent: the default branch."""


class ClaimWorkspace(ResourceModel):
    """A directory on the volume of a PersistentVolumeClaim."""

    claim_name: str


class ToolWorkspace(ResourceModel):
    """Directory of each attempt: exactly one of ``empty_dir``, ``git`` and ``pvc`` is set."""

    empty_dir: EmptyDirWorkspace | None = None
    git: GitWorkspace | None = None
    pvc: ClaimWorkspace | None = None
    read_only: bool = True


class AgentTools(ResourceModel):
    """Tools that an agent offers to its tasks."""

    servers: tuple[ToolServer, ...] = ()
    workspace: ToolWorkspace | None = None
    max_operations: int = 100
    max_iterations: int = 10

    @property
    def sidecars(self) -> tuple[ToolServer, ...]:
        """The servers that run in the pods of the agent's Ray cluster."""
        return tuple(server for server in self.servers if server.command is not None)

    @property
    def remote(self) -> tuple[ToolServer, ...]:
        """The servers at a URL."""
        return tuple(server for server in self.servers if server.url is not None)


class TaskTools(ResourceModel):
    """Use of the agent's tools by a task."""

    enabled: bool = False
