"""Requests with tools, and the script of a model that calls them."""

import json
from typing import Any

from support.builders.answers import GOOD
from support.servers.scripted_model import ScriptedModel
from support.servers.tool_server import ToolServerProcess


def server(url: str, *allow: str, **changes: Any) -> dict[str, Any]:
    """Return an MCP server as in a request."""
    return {"name": "shop", "url": url, "allow": list(allow or ("*",)), "timeout_seconds": 30} | changes


def step(name: str, /, **arguments: Any) -> str:
    """Return a step of ReAct as the model writes it."""
    return json.dumps({"next_thought": "so", "next_tool_name": name, "next_tool_args": arguments})


def script_one_call(model: ScriptedModel, name: str, **arguments: Any) -> None:
    """Have the model call one tool, finish, and answer."""
    script_calls(model, step(name, **arguments))


def script_calls(model: ScriptedModel, *steps: str, answer: dict[str, Any] = GOOD) -> None:
    """Have the model take these steps, finish, and answer."""
    model.script(contains=f"tool_name_{len(steps)}", content=json.dumps(answer))
    later = [*steps[1:], step("finish")]
    for number in reversed(range(len(steps))):
        model.script(contains=f"observation_{number}", content=later[number])
    model.script(contains="next_tool_name", content=steps[0])


def asked(model: ScriptedModel, tools: ToolServerProcess, **changes: Any) -> dict[str, Any]:
    """Return the changes of a request whose model calls tools."""
    plain: dict[str, Any] = {"llm": {"endpoint": model.url}, "output_schema": None, "token_budget": None}
    return plain | {"tools": {"servers": [server(tools.url)]} | changes}


async def has_written(tools: ToolServerProcess, number: int) -> bool:
    """Return whether the writing tool was called a number of times."""
    return len([line for line in tools.calls if line.startswith("write")]) == number
