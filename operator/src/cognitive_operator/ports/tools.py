"""Port to MCP servers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class ToolProbeResult:
    """Answer of an MCP server to ``initialize`` and ``tools/list``."""

    ok: bool
    reason: str
    message: str
    """Names the URL and the cause; it holds no text of the server."""
    tools: Sequence[str] = ()
    """Names of the server's tools."""


class ToolProbe(Protocol):
    """Probe of MCP servers."""

    async def check(self, url: str, token: str | None, timeout_s: float) -> ToolProbeResult:
        """Return the tools of the MCP server at a URL; never raises."""
