"""Cases with tools through the core's own loop, with the scripted tools in place of MCP servers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from cognitive_runtime.adapters.dspy import CognitiveCore, ToolTasks
from cognitive_runtime.adapters.model import ModelPool
from cognitive_runtime.cognitive_core import CognitiveContext, ReasoningError
from cognitive_runtime.domain import (
    ExecutionRequest,
    Operation,
    Tool,
    ToolFailed,
    ToolRefused,
    ToolServer,
    ToolSettings,
    Usage,
)
from cognitive_runtime.llm_config import LLMConfig
from evaluation.cases import TOOLS, Case
from evaluation.tool_loops import BOUNDS, INSTRUCTIONS, PROBLEMS
from evaluation.worlds import FAILED, REFUSED, SUCCEEDED, World

_SERVER: Final = ToolServer("world", "http://world.invalid/mcp", ("*",))
"""Name of the tools' server in the request. It is never connected to."""
_SIGNATURE: Final = {
    "name": TOOLS,
    "module": "ReAct",
    "instructions": INSTRUCTIONS,
    "inputs": [{"name": "task_description", "type": "string"}],
    "outputs": [{"name": "answer", "type": "string"}],
}
_ERRORS: Final = {FAILED: ToolFailed, REFUSED: ToolRefused}


class ReactTools:
    """Core with tools for one thread. A call blocks the thread."""

    def __init__(self, config: LLMConfig) -> None:
        """Take the model and its settings, all of which apply."""
        key = config.api_key or ""
        self._boxes = _Worlds()
        self._core = CognitiveCore(ModelPool(lambda uid, name: key), config.settings(), tools=ToolTasks(self._boxes))
        self._core.register_signature(_SIGNATURE)

    def __call__(self, case: Case) -> dict[str, Any]:
        """Return the answer to a case, its calls of tools and its tokens, or the error."""
        return asyncio.run(self._ask(case))

    async def _ask(self, case: Case) -> dict[str, Any]:
        self._boxes.world = World(case.tools)
        try:
            found = await self._core.reason(self._request(case))
        except ReasoningError as error:
            failed = {"success": False, "error_type": error.error_type, "error": str(error)}
            return failed | self._record(error.operations, error.usage)
        finally:
            await self._core.aclose()
        return {"success": True, **found.outputs, **self._record(found.operations, found.usage)}

    def _request(self, case: Case) -> ExecutionRequest:
        request = self._core.request(CognitiveContext(f"evaluation-{case.id}", TOOLS, dict(case.input)))  # type: ignore[arg-type]
        settings = ToolSettings((_SERVER,), None, BOUNDS.calls, BOUNDS.steps)
        return replace(request, tools=settings, token_budget=BOUNDS.tokens)

    def _record(self, operations: tuple[Operation, ...], usage: Usage) -> dict[str, Any]:
        """Return tokens and calls. A call that the core refuses itself reaches no tool and has no arguments."""
        reached = iter(self._boxes.world.calls)
        calls = []
        for each in operations:
            refused = {"tool": each.tool, "arguments": {}, "outcome": each.outcome}
            calls.append(next(reached, refused) if _has_reached(each) else refused)
        return {"calls": calls, "tokens": usage.total_tokens}


def _has_reached(operation: Operation) -> bool:
    """Return True if a tool of the world has received the call: the error of any other is a sentence of the core."""
    return operation.outcome == SUCCEEDED or operation.error in PROBLEMS.values()


class _Worlds:
    """Implements ``IToolboxes`` and ``IToolbox`` with the world of the case that is asked."""

    problems = ()

    def __init__(self) -> None:
        self.world = World(())

    def open(self, request: ExecutionRequest) -> "_Worlds":
        return self

    async def list(self) -> tuple[Tool, ...]:
        return tuple(
            Tool(each.name, _SERVER.name, each.name, each.description, each.schema, has_side_effects=False)
            for each in self.world.tools
        )

    async def call(self, tool: Tool, arguments: Mapping[str, Any], permit: Callable[[], Awaitable[None]]) -> str:
        await permit()
        answer = self.world.call(tool.name, dict(arguments))
        if answer.outcome in _ERRORS:
            raise _ERRORS[answer.outcome](PROBLEMS[answer.outcome], answer.text)
        return answer.text

    async def close(self) -> None:
        return
