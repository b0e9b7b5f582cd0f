"""MCP server for a sidecar: it writes notes, and looks for a text in all files and processes that it can read.

``python -m support.servers.sidecar_tools PORT JOURNAL PLACE...``. A sidecar gets the source of this module as the
argument of ``python -c``, so it imports nothing of the tests.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

JOURNAL = Path(sys.argv[2] if len(sys.argv) > 2 else "/tmp/journal")
PLACES = sys.argv[3:]
MAX_BYTES = 1_000_000
server = MCPServer("desk")


@server.tool()
def note(text: str) -> str:
    """Write a note."""
    with JOURNAL.open("a") as file:
        file.write(f"{text}\n")
    return "noted"


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def hunt(text: str) -> str:
    """Count the files and processes that contain a text."""
    wanted, read, found = text.encode(), 0, 0
    for path in candidates():
        try:
            with open(path, "rb") as file:
                content = file.read(MAX_BYTES)
        except OSError:
            continue
        read += 1
        found += wanted in content
    return f"{found} of {read}"


def candidates() -> Iterator[str]:
    """Yield the regular files below PLACES, and the environments and arguments of all processes."""
    for place in PLACES:
        for folder, _, names in os.walk(place):
            paths = (os.path.join(folder, name) for name in names)
            yield from (path for path in paths if os.path.isfile(path))
    for process in os.listdir("/proc"):
        if process.isdigit():
            yield from (f"/proc/{process}/{name}" for name in ("environ", "cmdline"))


if __name__ == "__main__":
    app = server.streamable_http_app()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
