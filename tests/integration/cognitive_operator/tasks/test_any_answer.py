"""Answers of any characters and length, from a server that holds them to the schema of the request, to the status."""

import json
from typing import Any

import pytest
import yaml

from support.builders.code_texts import SNIPPET, code_text
from support.builders.cognitive_objects import Cluster, agent, task
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]
NAME = "free"
QUESTION = "answer at length"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"command": {"type": "string"}, "root": {"$ref": "#/$defs/node"}},
    "required": ["command", "root"],
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "weight": {"type": ["integer", "null"]},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["name", "weight", "children"],
            "additionalProperties": False,
        }
    },
}
LEAF: dict[str, Any] = {"name": "\n\t\\leaf\\\n ", "weight": 2**60 + 1, "children": []}
ANSWER: dict[str, Any] = {
    "thought": "Run the command, then look.",
    "step_by_step_plan": [f'{n}. Say "step {n}" in C:\\new\\{n}\nand wait' for n in range(1, 21)],
    "estimated_complexity": 7,
    "complexity_rationale": code_text(6000),
    "risk_assessment": [],
}
OUTPUT: dict[str, Any] = {
    "command": SNIPPET,
    "root": {"name": '"root"', "weight": None, "children": [LEAF, LEAF | {"children": [LEAF]}]},
}
"""Texts of the task's own output keep white space at their ends, too; texts of the task type do not."""


def asked(name: str, **spec: Any) -> dict[str, Any]:
    return task(name, NAME, "TaskPlanning", input={"task_description": QUESTION}, **spec)


def shown(cluster: Cluster, name: str) -> Any:
    """Return a task's result as ``kubectl get -o yaml`` shows it."""
    cluster.wait_phase(name, "Succeeded", 60.0)
    return yaml.safe_load(cluster.kubectl("get", "ctask", name, "-o", "yaml"))["status"]["result"]


def test_long_texts_lists_and_objects_arrive_as_the_model_wrote_them(
    cluster: Cluster, ray_server: RayServer, model: ScriptedModel
) -> None:
    cluster.apply(agent(NAME, ray_server.address, model.url, llm={"maxTokens": 8192}))
    cluster.wait_ready(NAME)
    model.script(contains=QUESTION, wanted=ANSWER | {"output": OUTPUT}, times=1)
    cluster.apply(asked("with-output", outputSchema=SCHEMA))
    assert shown(cluster, "with-output") == ANSWER | {"output": OUTPUT}
    model.script(contains=QUESTION, wanted=ANSWER)
    cluster.apply(asked("alone"))
    assert shown(cluster, "alone") == ANSWER
    assert len(model.requests) == 2, "one call for each answer, and none to repair it"
    cluster.patch("cagent", NAME, {"spec": {"llm": {"structuredOutput": "Bounded"}}})
    cluster.apply(asked("bounded"))
    assert "scripted answer" in json.dumps(shown(cluster, "bounded")), "the server does not hold to the schema"
