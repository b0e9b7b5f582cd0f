"""Deployment of a cognitive core on Ray Serve, and its client. Imports Ray only when it is used."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cognitive_runtime.application import cognitive_calls as calls
from cognitive_runtime.domain import CognitiveContext, Reasoning, ReasoningError
from cognitive_runtime.domain.serving import DEFAULT_APPLICATION, ServeSpec
from cognitive_runtime.llm_config import LLMConfig, configured_llm

if TYPE_CHECKING:
    from cognitive_runtime.adapters.serve.handle import ServeHandle


class CognitiveCoreClient:
    """Client of a core on Ray Serve. Its results have the shape of the core's own."""

    def __init__(self, name: str = DEFAULT_APPLICATION) -> None:
        """Take the name of the application, which the first call looks up."""
        self.name = name

    async def reason_about_failure(self, agent_id: str, incident_context: Mapping[str, Any]) -> dict[str, Any]:
        """Analyse an incident."""
        return await self.answer(calls.failure_analysis(agent_id, incident_context))

    async def plan_task(
        self,
        agent_id: str,
        task_description: str,
        agent_capabilities: calls.Free = None,
        available_resources: calls.Free = None,
    ) -> dict[str, Any]:
        """Plan a task."""
        return await self.answer(
            calls.task_planning(agent_id, task_description, agent_capabilities, available_resources)
        )

    async def make_decision(
        self, agent_id: str, decision_context: Mapping[str, Any], historical_data: calls.Free = None
    ) -> dict[str, Any]:
        """Make a decision."""
        return await self.answer(calls.decision_making(agent_id, decision_context, historical_data))

    async def solve_problem(
        self,
        agent_id: str,
        problem_statement: str,
        constraints: calls.Free = None,
        available_tools: calls.Free = None,
    ) -> dict[str, Any]:
        """Solve a problem."""
        return await self.answer(calls.problem_solving(agent_id, problem_statement, constraints, available_tools))

    async def synthesize_memory(
        self, agent_id: str, memory_fragments: Sequence[Any], synthesis_goal: str = ""
    ) -> dict[str, Any]:
        """Combine fragments of memory into one insight."""
        return await self.answer(calls.memory_synthesis(agent_id, memory_fragments, synthesis_goal))

    async def assess_capabilities(
        self,
        agent_id: str,
        performance_data: Mapping[str, Any],
        current_capabilities: calls.Free = None,
        target_capabilities: calls.Free = None,
    ) -> dict[str, Any]:
        """Assess capabilities."""
        return await self.answer(
            calls.capability_assessment(agent_id, performance_data, current_capabilities, target_capabilities)
        )

    async def answer(self, context: CognitiveContext) -> dict[str, Any]:
        """Return the outputs or the error for any context.

        Raises:
            ServeUnavailable: There is no such application, or it does not run.
            asyncio.CancelledError: The caller was cancelled, and so is the call.
        """
        try:
            found: dict[str, Any] = await self._handle.call("answer", context)
        except ReasoningError as error:  # the call did not reach a replica, or died with it
            return calls.lost_call(context, error)
        return found

    async def reason(self, context: CognitiveContext) -> Reasoning:
        """Return the reasoning for any context.

        Raises:
            ReasoningError: That of the replica; the class tells the cause, and whether to retry.
            ServeUnavailable: There is no such application, or it does not run.
            asyncio.CancelledError: The caller was cancelled, and so is the call.
        """
        found: Reasoning = await self._handle.call("reason", context)
        return found

    async def health(self) -> dict[str, Any]:
        """Return the health of the model behind the application: ``status`` is healthy or unhealthy."""
        found: dict[str, Any] = await self._handle.call("health")
        return found

    @cached_property
    def _handle(self) -> "ServeHandle":
        from cognitive_runtime.adapters.serve.handle import ServeHandle

        return ServeHandle(self.name)


def deploy(spec: ServeSpec, changes: Mapping[str, str], config: LLMConfig | None, token: str | None) -> None:
    """Deploy a core. Replicas read the keys of the environment on their own nodes: none of them leaves this process.

    Args:
        spec: The application.
        changes: ``LLM_*`` variables over those of the nodes.
        config: Configuration from code; None: that of ``configure_llm_openai``, or else the nodes' environment.
        token: Bearer token of the HTTP API; None: that of the nodes' environment.

    Raises:
        ServeConflict: The name or the route is in use by another owner.
    """
    from cognitive_runtime.adapters.serve.applications import deploy as deploy_application
    from cognitive_runtime.bootstrap.serve_replica import CoreReplica

    arguments = (spec.name, dict(changes), config or configured_llm(), token)
    deploy_application(CoreReplica, arguments, spec)
