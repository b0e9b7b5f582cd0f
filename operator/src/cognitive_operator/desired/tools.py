"""The tools in requests, and the files of their servers' tokens."""

from typing import Final

from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.tools import AgentTools, ToolServer, ToolWorkspace
from cognitive_operator.api.wire_tools import ServerSettings, ToolSettings, WorkspaceKind, WorkspaceSettings

WORKSPACE_DIR: Final = "/var/lib/cognitive-workspace"
"""Mount path of the workspace's volume in the Ray containers of managed clusters."""
TOKEN_FILE: Final = "tool-token"
"""Begin of the file of a server's token below ``$COGNITIVE_SECRETS_DIR/<agentUID>/``."""


def has_tools(agent: Agent) -> bool:
    """Return True if an agent has a server or a workspace."""
    tools = agent.spec.tools
    return tools is not None and bool(tools.servers or tools.workspace)


def tool_settings(task: Task, agent: Agent) -> ToolSettings | None:
    """Return the tools of an attempt; None: the task asks for none, or its agent has none."""
    tools = agent.spec.tools
    if tools is None or not task.spec.tools.enabled or not has_tools(agent):
        return None
    return ToolSettings(
        max_operations=tools.max_operations,
        max_iterations=tools.max_iterations,
        servers=tuple(_server(each) for each in tools.servers),
        workspace=_workspace(tools),
    )


def token_file(server: ToolServer) -> str:
    """Return the file of a server's token."""
    return f"{TOKEN_FILE}-{server.name}"


def workspace_kind(workspace: ToolWorkspace) -> WorkspaceKind:
    """Return the kind of a workspace as on the wire."""
    return "Git" if workspace.git else "PersistentVolume" if workspace.pvc else "EmptyDir"


def _server(server: ToolServer) -> ServerSettings:
    return ServerSettings(
        name=server.name,
        url=server.address,
        allow=server.allow,
        headers_file=token_file(server) if server.token_secret_ref else None,
        timeout_seconds=server.timeout_seconds,
    )


def _workspace(tools: AgentTools) -> WorkspaceSettings | None:
    workspace = tools.workspace
    if workspace is None:
        return None
    return WorkspaceSettings(
        kind=workspace_kind(workspace),
        path=WORKSPACE_DIR if workspace.pvc else None,
        url=workspace.git.url if workspace.git else None,
        ref=workspace.git.ref if workspace.git else None,
        read_only=workspace.read_only,
    )
