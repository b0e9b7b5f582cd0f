"""Bodies of the HTTP API's requests, each with the context of its call."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cognitive_runtime.application import cognitive_calls as calls
from cognitive_runtime.domain import CognitiveContext, Incidents, UnknownIncident

NOT_BLANK: Final = r"[^\s\x00-\x1f]"
"""At least one character that is neither white space nor a control character."""
Text = Annotated[str, Field(min_length=1, pattern=NOT_BLANK)]
Name = Annotated[str, Field(min_length=1, max_length=253, pattern=NOT_BLANK)]
Object = Annotated[dict[str, Any], Field(min_length=1)]
Free = dict[str, Any] | list[Any] | str | None


class Body(BaseModel):
    """Body of a call. Its texts may also come as query parameters."""

    model_config = ConfigDict(extra="forbid", strict=True)
    query: ClassVar[tuple[str, ...]] = ("agent_id",)
    """Names of the fields that a query parameter can give."""
    list_field: ClassVar[str | None] = None
    """Field whose list can stand for the whole body."""

    @property
    def needs_incident(self) -> bool:
        """True if the call names a registered incident."""
        return False

    def context(self, incidents: Incidents | None) -> CognitiveContext:
        """Return the context of the call.

        Raises:
            UnknownIncident: The incident is not registered.
        """
        raise NotImplementedError


class ReasonAboutFailure(Body):
    """Incident to analyse: the id of a registered one, or its content."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["incident_id"], "properties": {"incident_id": {"type": "string"}}},
                {"required": ["incident_context"], "properties": {"incident_context": {"type": "object"}}},
            ]
        }
    )
    query: ClassVar[tuple[str, ...]] = ("agent_id", "incident_id")

    agent_id: Name = calls.DEFAULT_AGENT
    incident_id: Name | None = Field(None, description="Id of the incident.")
    incident_context: Object | None = Field(None, description="The incident itself, if it is not registered.")

    @model_validator(mode="after")
    def _has_incident(self) -> Self:
        if self.incident_id is None and self.incident_context is None:
            raise ValueError("give incident_id or incident_context")
        return self

    @property
    def needs_incident(self) -> bool:
        """True if the call names a registered incident."""
        return self.incident_context is None

    def context(self, incidents: Incidents | None) -> CognitiveContext:
        """Return the context of the call."""
        return calls.failure_analysis(self.agent_id, self._incident(incidents))

    def _incident(self, incidents: Incidents | None) -> Mapping[str, Any]:
        named = {} if self.incident_id is None else {"incident_id": self.incident_id}
        if self.incident_context is not None:
            return self.incident_context | named
        if incidents is None:
            raise UnknownIncident(self.incident_id or "")
        return incidents.get_incident(self.incident_id or "")


class PlanTask(Body):
    """Task to plan."""

    query: ClassVar[tuple[str, ...]] = ("agent_id", "task_description")

    agent_id: Name = calls.DEFAULT_AGENT
    task_description: Text
    agent_capabilities: Free = None
    available_resources: Free = None

    def context(self, incidents: Incidents | None) -> CognitiveContext:
        """Return the context of the call."""
        return calls.task_planning(
            self.agent_id, self.task_description, self.agent_capabilities, self.available_resources
        )


class MakeDecision(Body):
    """Decision to make."""

    agent_id: Name = calls.DEFAULT_AGENT
    decision_context: Object
    historical_data: Free = None

    def context(self, incidents: Incidents | None) -> CognitiveContext:
        """Return the context of the call."""
        return calls.decision_making(self.agent_id, self.decision_context, self.historical_data)


class SolveProblem(Body):
    """Problem to solve."""

    query: ClassVar[tuple[str, ...]] = ("agent_id", "problem_statement")

    agent_id: Name = calls.DEFAULT_AGENT
    problem_statement: Text
    constraints: Free = None
    available_tools: Free = None

    def context(self, incidents: Incidents | None) -> CognitiveContext:
        """Return the context of the call."""
        return calls.problem_solving(self.agent_id, self.problem_statement, self.constraints, self.available_tools)


class SynthesizeMemory(Body):
    """Fragments of memory to combine."""

    query: ClassVar[tuple[str, ...]] = ("agent_id", "synthesis_goal")
    list_field: ClassVar[str | None] = "memory_fragments"

    agent_id: Name = calls.DEFAULT_AGENT
    memory_fragments: Annotated[list[dict[str, Any] | str], Field(min_length=1)]
    synthesis_goal: str = ""

    def context(self, incidents: Incidents | None) -> CognitiveContext:
        """Return the context of the call."""
        return calls.memory_synthesis(self.agent_id, self.memory_fragments, self.synthesis_goal)


class AssessCapabilities(Body):
    """Performance and capabilities to assess."""

    agent_id: Name = calls.DEFAULT_AGENT
    performance_data: Object
    current_capabilities: Free = None
    target_capabilities: Free = None

    def context(self, incidents: Incidents | None) -> CognitiveContext:
        """Return the context of the call."""
        return calls.capability_assessment(
            self.agent_id, self.performance_data, self.current_capabilities, self.target_capabilities
        )
