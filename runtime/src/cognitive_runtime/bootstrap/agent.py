"""Agent with a cognitive core, its counters and its memory."""

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, Self, cast

from cognitive_runtime.application import cognitive_calls as calls
from cognitive_runtime.bootstrap.library import CognitiveCore, configuration
from cognitive_runtime.domain import AgentState, CognitiveContext, IAnswerer, Incidents, UnknownIncident
from cognitive_runtime.llm_config import LLMConfig


class IMemoryClient(Protocol):
    """Registry of incidents. Methods may also be coroutine functions."""

    def log_incident(self, incident: Mapping[str, Any], salience_score: float | None = None) -> Any:
        """Register an incident and return its id."""

    def get_incident(self, incident_id: str) -> Any:
        """Return an incident.

        Raises:
            LookupError: The incident is unknown.
        """


_OWN: Final = Incidents
"""Default of ``mfb_client``: a registry of the agent's own."""


class Agent:
    """Agent that reasons with a core of its own. All methods run on one event loop, also in a Ray actor.

    Each of the six calls returns the core's result, also for a failure, and counts it.
    """

    def __init__(
        self,
        agent_id: str,
        initial_role_probs: Mapping[str, float] | None = None,
        *,
        config: LLMConfig | None = None,
        core: IAnswerer | None = None,
        mfb_client: IMemoryClient | type[Incidents] | None = _OWN,
    ) -> None:
        """Create the agent.

        Args:
            agent_id: Name of the agent in its results.
            initial_role_probs: Probabilities of E, S and O, which become part of each prompt; None: 0.9, 0.1 and 0.
            config: Configuration of the model; None: that of the code, or else of the environment.
            core: Core in place of one with this configuration.
            mfb_client: Registry of incidents; None: the agent has none.

        Raises:
            ValueError: The id or a probability is invalid, or a setting of the model is (``LLMConfigError``).
        """
        self._state = AgentState(agent_id, initial_role_probs)
        self._own_core = None if core else _core(config or configuration(os.environ), self._state)
        self._core: IAnswerer = core or cast(CognitiveCore, self._own_core)
        self.mfb_client = mfb_client() if isinstance(mfb_client, type) else mfb_client

    async def aclose(self) -> None:
        """Close the connections of the running event loop. They reopen on demand."""
        if self._own_core is not None:
            await self._own_core.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def agent_id(self) -> str:
        """Name of the agent."""
        return self._state.agent_id

    @property
    def role_probs(self) -> dict[str, float]:
        """Probabilities of E, S and O."""
        return dict(self._state.role_probs)

    @property
    def capability_score(self) -> float:
        """Exponentially weighted mean of success rate and quality, 0 to 1."""
        return self._state.capability_score

    @property
    def mem_util(self) -> float:
        """Share of the memory that is used, 0 to 1."""
        return self._state.mem_util

    @property
    def memory_writes(self) -> int:
        """Number of outcomes written to the memory."""
        return self._state.memory_writes

    @property
    def total_compression_gain(self) -> float:
        """Sum of the shares that syntheses of memory have saved, 0 to 1 each."""
        return self._state.total_compression_gain

    @property
    def skill_deltas(self) -> dict[str, float]:
        """Changes of skills, which become part of each prompt."""
        return self._state.skill_deltas

    async def reason_about_failure(
        self, incident_id: str, incident_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Analyse an incident that is registered under the id, or that is given.

        An unknown id is a failure of the type ``UnknownIncident``: no incident is invented, and no model is called.
        """
        try:
            found = incident_context or await self._incident(incident_id)
        except UnknownIncident as error:
            return calls.unknown_incident(self.agent_id, error, incident_id)
        return await self._answer(calls.failure_analysis(self.agent_id, {**found, "incident_id": incident_id}))

    async def plan_complex_task(self, task_description: str, available_resources: calls.Free = None) -> dict[str, Any]:
        """Plan a task with the agent's capabilities and these resources."""
        capabilities = self._state.capabilities()
        return await self._answer(
            calls.task_planning(self.agent_id, task_description, capabilities, available_resources)
        )

    async def make_decision(
        self, decision_context: Mapping[str, Any], historical_data: calls.Free = None
    ) -> dict[str, Any]:
        """Make a decision."""
        return await self._answer(calls.decision_making(self.agent_id, decision_context, historical_data))

    async def solve_problem(
        self, problem_statement: str, constraints: calls.Free = None, available_tools: calls.Free = None
    ) -> dict[str, Any]:
        """Solve a problem."""
        return await self._answer(calls.problem_solving(self.agent_id, problem_statement, constraints, available_tools))

    async def synthesize_memory(self, memory_fragments: Sequence[Any], synthesis_goal: str = "") -> dict[str, Any]:
        """Combine fragments of memory into one insight."""
        return await self._answer(calls.memory_synthesis(self.agent_id, memory_fragments, synthesis_goal))

    async def assess_capabilities(self, target_capabilities: calls.Free = None) -> dict[str, Any]:
        """Assess the agent by its own counters against a target."""
        state = self._state
        return await self._answer(
            calls.capability_assessment(self.agent_id, state.performance(), state.capabilities(), target_capabilities)
        )

    async def log_incident(self, incident: Mapping[str, Any], salience_score: float | None = None) -> str:
        """Register an incident and return its id.

        Raises:
            InvalidIncident: The incident is invalid or too large.
            ValueError: The agent has no registry.
        """
        if self.mfb_client is None:
            raise ValueError("this agent has no registry of incidents: pass mfb_client, or incident_context to a call")
        return str(await _awaited(self.mfb_client.log_incident(incident, salience_score)))

    def get_energy_state(self) -> dict[str, Any]:
        """Return the energy; ``cognitive_cost`` is the sum of ``energy_cost`` of all results."""
        return dict(self._state.energy)

    def update_energy_state(self, energy: Mapping[str, Any]) -> None:
        """Replace the energy. Later results add to its ``cognitive_cost``.

        Raises:
            ValueError: ``cognitive_cost`` is no number.
        """
        cost = energy.get("cognitive_cost", 0.0)
        if not isinstance(cost, int | float) or isinstance(cost, bool):
            raise ValueError(f"cognitive_cost is of the type {type(cost).__name__}; expected a number")
        self._state.energy = {**energy, "cognitive_cost": cost}

    def update_skill(self, skill: str, delta: float) -> None:
        """Add to the change of a skill."""
        self._state.skill_deltas[skill] = self._state.skill_deltas.get(skill, 0.0) + delta

    def record_interaction(self, peer_id: str) -> None:
        """Count an interaction with another agent."""
        peers = self._state.peer_interactions
        peers[peer_id] = peers.get(peer_id, 0) + 1

    def get_summary_stats(self) -> dict[str, Any]:
        """Return the counters: success rate, quality, capability, memory and energy."""
        return self._state.summary()

    async def _answer(self, context: CognitiveContext) -> dict[str, Any]:
        state = self._state
        asked = replace(
            context,
            memory_context=state.memory(),
            energy_context=dict(state.energy),
            lifecycle_context=state.lifecycle(),
        )
        result = await self._core.answer(asked)
        state.record(result, context.input_data)
        return result

    async def _incident(self, incident_id: str) -> Mapping[str, Any]:
        if self.mfb_client is None:
            raise UnknownIncident(incident_id)
        try:
            found = await _awaited(self.mfb_client.get_incident(incident_id))
        except LookupError:
            raise UnknownIncident(incident_id) from None
        if not found:
            raise UnknownIncident(incident_id)
        return dict(found)


def _core(config: LLMConfig, state: AgentState) -> CognitiveCore:
    return CognitiveCore(agent=replace(config.settings(), role_probabilities=state.role_probs), config=config)


async def _awaited(found: Any) -> Any:
    return await found if inspect.isawaitable(found) else found
