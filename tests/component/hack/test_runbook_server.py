"""The demo's MCP server, by the runtime's client."""

from pathlib import Path

import pytest

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.tools.toolbox import Toolboxes
from cognitive_runtime.application import ToolRun
from cognitive_runtime.domain import NoSideEffects, ToolServer, ToolSettings
from servers.runbooks import RUNBOOKS, RunbookServer
from support.builders.runtime_requests import execution_request

pytestmark = pytest.mark.component


async def test_a_runbook_is_found_by_its_service_and_an_unknown_service_gets_the_names(tmp_path: Path) -> None:
    with RunbookServer(tmp_path / "log") as server:
        server.wait_until_ready()
        settings = ToolSettings((ToolServer("runbooks", server.url, ("find_runbook",)),))
        request = execution_request(tools=settings)
        run = ToolRun(request, settings, Toolboxes(lambda *_: "").open(request), NoSideEffects(), SystemClock())
        await run.open()
        assert [each.has_side_effects for each in run.tools.values()] == [False]
        assert await run.call("find_runbook", {"service": "Checkout"}) == {"answer": RUNBOOKS["checkout"]}
        names = {"answer": "Services with a runbook: checkout, payments, search."}
        assert await run.call("find_runbook", {"service": "14:05"}) == names
        assert await run.call("find_runbook", {}) == names
        await run.close()
