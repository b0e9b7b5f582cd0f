"""Public: agent with a cognitive core, in process and as a Ray actor."""

from typing import Any

from cognitive_runtime.bootstrap.agent import Agent, IMemoryClient
from cognitive_runtime.domain import Incidents, InvalidIncident, UnknownIncident
from cognitive_runtime.llm_config import configured_llm

__all__ = ["IMemoryClient", "Incidents", "InvalidIncident", "RayAgent", "UnknownIncident"]


class RayAgent(Agent):
    """Agent with a cognitive core. ``RayAgent(…)`` lives in this process, ``RayAgent.remote(…)`` in a Ray actor.

    An actor takes the settings of its model from code, if this program has configured it, or else from the environment
    of its node.
    """

    @classmethod
    def remote(cls, *arguments: Any, **named: Any) -> Any:
        """Create the agent as a Ray actor and return its handle. The arguments are those of the class."""
        return cls.options().remote(*arguments, **named)

    @classmethod
    def options(cls, **options: Any) -> "AgentActor":
        """Return a factory of actors with options of Ray, such as ``name``, ``namespace`` and ``num_cpus``."""
        return AgentActor(options)


class AgentActor:
    """Factory of agents as Ray actors."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options

    def remote(self, *arguments: Any, **named: Any) -> Any:
        """Create the agent as a Ray actor and return its handle.

        Raises:
            ValueError: An actor with the same name and namespace exists; Ray's message names it.
        """
        from cognitive_runtime.adapters.ray.agent_actor import create_actor

        configured = {} if "config" in named or "core" in named else {"config": configured_llm()}
        return create_actor(Agent, self._options, arguments, {**configured, **named})
