"""Bodies of the calls of a cluster, as its OpenAPI document shows them.

The API server checks a call by the CRD's rules, which are stricter than those of a core in process. Only the document
uses the bodies of calls: a cluster may have the CRD of another version. The registration of an incident checks
``Incident``, since no task could be created for another one.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from cognitive_runtime.adapters.http import bodies
from cognitive_runtime.application import cognitive_calls as calls

Attributes = dict[str, Any] | None
MAX_FRAGMENTS: Final = 10_000
"""Source: crds/cognitivetasks.yaml."""
_IDENTIFIED: Final[JsonDict] = {
    "anyOf": [
        {"required": ["incident_id"], "properties": {"incident_id": {"type": "string"}}},
        {
            "required": ["incident_context"],
            "properties": {
                "incident_context": {"type": "object", "properties": {"incident_id": {"type": ["string", "null"]}}}
            },
        },
    ]
}
"""A call's incident_id replaces that of its incident, which must otherwise be a text."""
FilledText = Annotated[str, Field(min_length=1)]
_ONE_ERROR: Final[JsonDict] = {
    "oneOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in ("error_message", "error")]
}


class Incident(BaseModel):
    """Incident that a FailureAnalysis can have as its input. The API server drops a null, as if it were absent."""

    model_config = ConfigDict(extra="allow", strict=True, json_schema_extra=_ONE_ERROR)

    error_message: FilledText | None = None
    error: FilledText | None = None
    agent_state: Attributes = None
    task_context: Attributes = None

    @model_validator(mode="after")
    def _has_one_error(self) -> Self:
        if (self.error_message is None) == (self.error is None):
            raise ValueError("an incident needs exactly one of error_message and error, as text")
        return self


GivenIncident = Annotated[dict[str, Any], Field(json_schema_extra=Incident.model_json_schema())]


class ReasonAboutFailure(bodies.ReasonAboutFailure):
    """Incident to analyse, with exactly one of error_message and error."""

    model_config = ConfigDict(json_schema_extra=_IDENTIFIED)

    incident_context: GivenIncident | None = Field(None, description="The incident itself, if it is not registered.")


class PlanTask(bodies.PlanTask):
    """Task to plan."""

    agent_capabilities: Attributes = None
    available_resources: Attributes = None


class MakeDecision(bodies.MakeDecision):
    """Decision to make."""

    historical_data: Attributes = None


class SolveProblem(bodies.SolveProblem):
    """Problem to solve."""

    constraints: Attributes = None


class SynthesizeMemory(bodies.Body):
    """Fragments of memory to combine. The list alone needs the query parameter synthesis_goal."""

    agent_id: bodies.Name = calls.DEFAULT_AGENT
    memory_fragments: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_FRAGMENTS)]
    synthesis_goal: FilledText


class AssessCapabilities(bodies.Body):
    """Performance and capabilities to assess."""

    agent_id: bodies.Name = calls.DEFAULT_AGENT
    performance_data: bodies.Object
    current_capabilities: dict[str, Any]
    target_capabilities: bodies.Object


DOCUMENTED: Final[Mapping[type[bodies.Body], type[bodies.Body]]] = {
    bodies.ReasonAboutFailure: ReasonAboutFailure,
    bodies.PlanTask: PlanTask,
    bodies.MakeDecision: MakeDecision,
    bodies.SolveProblem: SolveProblem,
    bodies.SynthesizeMemory: SynthesizeMemory,
    bodies.AssessCapabilities: AssessCapabilities,
}
"""Body of the document for each body that a call is read as."""
