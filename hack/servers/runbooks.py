"""MCP server with the runbooks of a web shop, for tasks with tools.

``python -m servers.runbooks PORT`` serves streamable HTTP at ``/mcp`` in the foreground.
"""

import sys
from pathlib import Path
from typing import Final

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

from servers.module_server import ModuleServer
from servers.probe import listens

NAME: Final = "runbooks"
START_TIMEOUT_S: Final = 30.0
RUNBOOKS: Final = {
    "checkout": "1. Compare the latency before and after the last rollout. 2. Undo the rollout if it doubled.",
    "payments": "1. Look at the status page of the bank. 2. Switch to the second bank.",
    "search": "1. Look at the age of the index. 2. Build the index again.",
}
"""Steps by service."""


class RunbookServer(ModuleServer):
    """The server as a child process; the constructor starts it and does not wait."""

    def __init__(self, log_path: Path) -> None:
        super().__init__(NAME, log_path)

    def wait_until_ready(self) -> None:
        """Wait until the server accepts connections.

        Raises:
            ServerError: The server did not start.
        """
        self.process.wait_until(listens(self._port), START_TIMEOUT_S, "an open port")

    @property
    def url(self) -> str:
        """Value for ``spec.tools.servers[].url`` of an agent."""
        return f"http://127.0.0.1:{self._port}/mcp"


def find_runbook(service: str = "") -> str:
    """Return the runbook of a service; without a known service, the names of all services with a runbook."""
    found = RUNBOOKS.get(service.strip().lower())
    return found or f"Services with a runbook: {', '.join(RUNBOOKS)}."


def serve(port: int) -> None:
    """Serve until SIGTERM."""
    server = MCPServer(NAME)
    server.add_tool(find_runbook, annotations=ToolAnnotations(read_only_hint=True))
    config = uvicorn.Config(server.streamable_http_app(), host="127.0.0.1", port=port, log_level="warning")
    uvicorn.Server(config).run()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
