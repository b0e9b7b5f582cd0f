"""Names that the seeds' blocks take from earlier ones, by the word with which the table gives them."""

import logging
from collections.abc import Callable
from typing import Any

from seedcore.agents.cognitive_core import CognitiveContext, CognitiveCore, CognitiveTaskType, initialize_cognitive_core
from seedcore.agents.ray_actor import RayAgent
from seedcore.serve.cognitive_serve import CognitiveCoreClient, deploy_cognitive_core
from seedcore.telemetry.server import get_dspy_status

ROLES = {"E": 0.7, "S": 0.2, "O": 0.1}
INCIDENT = {"incident_id": "incident_001", "error_message": "Task execution failed due to timeout"}
Names = dict[str, Any]


async def _core(names: Names) -> None:
    names["cognitive_core"] = initialize_cognitive_core()


async def _context(names: Names) -> None:
    names["context"] = CognitiveContext("my_agent", CognitiveTaskType.FAILURE_ANALYSIS, dict(INCIDENT))


async def _agent(names: Names) -> None:
    names["agent"] = RayAgent("cognitive_agent", ROLES)


async def _incident_agent(names: Names) -> None:
    await _agent(names)
    await names["agent"].log_incident(INCIDENT)


async def _used_agent(names: Names) -> None:
    await _incident_agent(names)
    await names["agent"].reason_about_failure("incident_001")


async def _incident_actor(names: Names) -> None:
    names["agent"] = RayAgent.remote("cognitive_agent", ROLES)
    await names["agent"].log_incident.remote(INCIDENT)


GIVEN: dict[str, Callable[[Names], Any]] = {
    "core": _core,
    "context": _context,
    "agent": _agent,
    "incident_agent": _incident_agent,
    "incident_actor": _incident_actor,
    "used_agent": _used_agent,
}
PLAIN: dict[str, Callable[[], Names]] = {
    "agent_class": lambda: {"RayAgent": RayAgent},
    "client": lambda: {"client": CognitiveCoreClient("cognitive_core")},
    "complex_task": lambda: {"task_complexity": 0.7},
    "extension": dict,
    "incident": lambda: {"incident_context": dict(INCIDENT)},
    "initialised": dict,
    "logger": lambda: {"logger": logging.getLogger("snippet")},
    "names": lambda: {"agent_id": "agent_001", "incident_context": dict(INCIDENT), "incident_id": "incident_001"},
    "reasoning_result": lambda: {"reasoning_result": {"thought": "scripted answer"}},
    "self": lambda: {"self": CognitiveCore()},
    "serve": lambda: {
        "deploy_cognitive_core": deploy_cognitive_core,
        "CognitiveCoreClient": CognitiveCoreClient,
        "replica_resources": replica_resources,
    },
    "simple_task": lambda: {"task_complexity": 0.3, "incident_id": "incident_001"},
    "status": lambda: {"get_dspy_status": get_dspy_status},
}


async def give(names: Names, words: tuple[str, ...]) -> None:
    """Add the names for these words."""
    for word in words:
        if word in PLAIN:
            names.update(PLAIN[word]())
        else:
            await GIVEN[word](names)


def replica_resources() -> dict[str, float]:
    """Return the resources of one replica of the deployed core, and the number of replicas, as Ray has them."""
    from ray.util.state import list_actors

    actors = list_actors(filters=[("state", "=", "ALIVE")], detail=True)
    replicas = [each for each in actors if each.class_name.startswith("ServeReplica:cognitive_core")]
    needed = replicas[0].required_resources or {}
    return {"CPU": needed["CPU"], "memory": needed["memory"], "replicas": len(replicas)}
