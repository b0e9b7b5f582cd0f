"""The context of an attempt: the task's own, and the agent's counters where the task gives none."""

from typing import Any

from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.wire import ContextSource, ContextSources, MemorySource


def supplied_context(task: Task, agent: Agent) -> tuple[dict[str, Any], ContextSources]:
    """Return the context and the source of each part.

    The executor supplies memory: agents have none, and invented figures would mislead the model.
    """
    given = {name: value for name, value in task.spec.context.items() if value is not None}
    supplied = {"energy": _energy(agent), "lifecycle": _lifecycle(agent)}

    def source(name: str) -> ContextSource:
        return "task" if name in given else "agent" if name in supplied else "none"

    memory: MemorySource = "task" if "memory" in given else "none"
    sources = ContextSources(memory=memory, energy=source("energy"), lifecycle=source("lifecycle"))
    return supplied | given, sources


def _energy(agent: Agent) -> dict[str, Any]:
    return {"cognitive_cost": agent.status.energy.cognitive_cost}


def _lifecycle(agent: Agent) -> dict[str, Any]:
    """Return the agent's history with the keys of the original's agents."""
    probabilities = agent.spec.role_probabilities
    return {
        "agent_id": agent.metadata.name,
        "created_at": agent.metadata.creation_timestamp.isoformat().replace("+00:00", "Z"),
        "capability_score": round(agent.status.capability_score, 4),
        **({"role_probabilities": probabilities} if probabilities else {}),
        "tasks_processed": agent.status.tasks_processed,
        "successful_tasks": agent.status.tasks_succeeded,
    }
