"""Toolbox of one attempt: the tools of its servers and of its workspace."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from cognitive_runtime.adapters.tools.naming import with_unique_names
from cognitive_runtime.domain import ExecutionRequest, IToolbox, Tool, ToolFailed, ToolSettings, ToolsUnavailable
from cognitive_runtime.domain.tools import AuditEvent

MAX_TOOLS: Final = 64
"""Maximum tools of an attempt. Each is part of the prompt."""

ReadSecret = Callable[[str, str], str]
"""Returns the content of a secret file; takes agent UID and file name. Raises ``CredentialsNotMounted``."""


class ToolSource(Protocol):
    """Server of tools, or the workspace."""

    @property
    def name(self) -> str:
        """Name of the server."""

    problems: list[tuple[AuditEvent, str]]

    async def list(self) -> tuple[Tool, ...]:
        """Connect and return the allowed tools."""

    async def call(self, tool: Tool, arguments: Mapping[str, Any], permit: Callable[[], Awaitable[None]]) -> str:
        """Return the answer of a tool."""

    async def close(self) -> None:
        """Disconnect. Idempotent."""


class Toolbox:
    """Implements ``IToolbox``."""

    def __init__(self, servers: list[ToolSource], workspace: ToolSource | None) -> None:
        """Take the sources of tools."""
        self._servers = servers
        self._workspace = workspace
        self._sources = {each.name: each for each in (*servers, *([workspace] if workspace else []))}
        self._problems: list[tuple[AuditEvent, str]] = []

    @property
    def problems(self) -> tuple[tuple[AuditEvent, str], ...]:
        """Servers that do not answer, and listed tools that cannot be used."""
        own = [problem for source in self._sources.values() for problem in source.problems]
        return (*own, *self._problems)

    async def list(self) -> tuple[Tool, ...]:
        """Connect to all servers at the same time and return the allowed tools; see ``IToolbox``."""
        own = await self._workspace.list() if self._workspace else ()
        listed = await asyncio.gather(*(self._listed(each) for each in self._servers), return_exceptions=True)
        for each in listed:
            if isinstance(each, BaseException):
                raise each
        answering = [each for each in listed if isinstance(each, tuple)]
        if self._servers and not answering and not own:
            names = ", ".join(each.name for each in self._servers)
            raise ToolsUnavailable(f"No server of the agent's tools answers: {names} (spec.tools.servers).")
        tools, left_out = with_unique_names([*own, *(tool for each in answering for tool in each)])
        self._exclude(left_out, "its name is not unique")
        self._exclude(tools[MAX_TOOLS:], f"an attempt has at most {MAX_TOOLS} tools")
        if not tools:
            raise ToolsUnavailable("The agent's servers list no tool that spec.tools.servers[].allow allows.")
        return tools[:MAX_TOOLS]

    async def call(self, tool: Tool, arguments: Mapping[str, Any], permit: Callable[[], Awaitable[None]]) -> str:
        """Return the answer of a tool; see ``IToolbox``."""
        return await self._sources[tool.server].call(tool, arguments, permit)

    async def close(self) -> None:
        """Close all sources at the same time. Idempotent."""
        await asyncio.gather(*(each.close() for each in self._sources.values()), return_exceptions=True)

    async def _listed(self, server: ToolSource) -> tuple[Tool, ...] | None:
        try:
            return await server.list()
        except ToolFailed as error:
            self._problems.append(("ServerUnavailable", f"Server {server.name}: {error}"))
            return None

    def _exclude(self, tools: tuple[Tool, ...], reason: str) -> None:
        self._problems += [("ToolExcluded", f"Tool {each.own_name} of {each.server}: {reason}.") for each in tools]


@dataclass(frozen=True)
class Toolboxes:
    """Implements ``IToolboxes``. The MCP client is imported by the first attempt that has servers."""

    read_secret: ReadSecret
    protected: tuple[Path, ...] = ()
    """Folders that no workspace may contain or be in, such as that of the secrets."""

    def open(self, request: ExecutionRequest) -> IToolbox:
        """Return the toolbox of an attempt with tools, not connected yet."""
        settings = request.tools or ToolSettings()
        return Toolbox(self._opened_servers(request, settings), self._opened_workspace(settings))

    def _opened_servers(self, request: ExecutionRequest, settings: ToolSettings) -> list[ToolSource]:
        if not settings.servers:
            return []
        from cognitive_runtime.adapters.tools.mcp import McpServer

        return [McpServer(each, self._token(request.agent_uid, each.headers_file)) for each in settings.servers]

    def _opened_workspace(self, settings: ToolSettings) -> ToolSource | None:
        if settings.workspace is None:
            return None
        from cognitive_runtime.adapters.tools.workspace import WorkspaceTools

        return WorkspaceTools(settings.workspace, self.protected)

    def _token(self, agent_uid: str, name: str | None) -> Callable[[], str] | None:
        return None if name is None else lambda: self.read_secret(agent_uid, name)
