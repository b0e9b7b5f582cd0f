"""Agents and tasks with tools, as the operator reads them."""

from typing import Any

from cognitive_operator.api.resources import Agent, Task
from support.builders import operator_objects as o

FILES: dict[str, Any] = {"name": "files", "url": "http://files/mcp", "allow": ["read_*"]}
SIDECAR: dict[str, Any] = {"name": "git", "command": ["serve"], "image": "git:1", "port": 9000, "allow": ["*"]}
MANAGED: dict[str, Any] = {"ray": {"cluster": {}}}


def agent(*servers: dict[str, Any], **more: Any) -> Agent:
    """Return an agent with these tool servers; ``ray`` and ``llm`` are fields of its spec, the others of ``tools``."""
    spec = {name: more.pop(name) for name in ("ray", "llm") if name in more}
    return Agent.model_validate(o.agent_body(tools={"servers": list(servers), **more}, **spec))


def task(**spec: Any) -> Task:
    """Return a task that asks for tools, with some spec fields replaced."""
    return Task.model_validate(o.task_body(**{"tools": {"enabled": True}} | spec))
