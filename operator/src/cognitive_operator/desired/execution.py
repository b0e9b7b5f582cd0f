"""Settings of the processes of an agent's executor, for the environment of its Ray job."""

from typing import Final

from cognitive_operator.api.execution import ProcessResources, Serve
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire_execution import (
    AutoscalingSettings,
    ExecutionSettings,
    ProcessSettings,
    PublicSettings,
    ServeSettings,
)
from cognitive_operator.desired.request import SERVE_TOKEN_FILE, agent_settings

EXECUTION_VARIABLE: Final = "COGNITIVE_EXECUTION"
ALWAYS: Final = 1
"""Generation in the settings of HTTP calls: a change of the spec alone, without another value, starts no executor."""


def desired_execution(agent: Agent) -> ExecutionSettings | None:
    """Return the settings; None: no executor, or all settings are the defaults of the runtime."""
    execution = agent.spec.execution
    if execution.warm_slots:
        return ExecutionSettings(warm_slots=execution.warm_slots)
    if not execution.has_executor or (not execution.has_application and execution.resources is None):
        return None
    serve = _serve(agent, execution.serve or Serve()) if execution.has_application else None
    return ExecutionSettings(worker=_process(execution.resources or ProcessResources()), serve=serve)


def execution_variables(agent: Agent) -> dict[str, str]:
    """Return the environment variables with the settings for an executor's job; none if all settings are defaults."""
    settings = desired_execution(agent)
    return {} if settings is None else {EXECUTION_VARIABLE: settings.model_dump_json()}


def route_of(agent: Agent) -> str:
    """Return the HTTP route of an agent's application."""
    return f"/cognitive/{agent.metadata.namespace}/{agent.metadata.name}"


def _serve(agent: Agent, serve: Serve) -> ServeSettings:
    scale = serve.autoscaling
    return ServeSettings(
        replicas=None if scale is not None else serve.replicas or 1,
        autoscaling=AutoscalingSettings(**scale.model_dump()) if scale is not None else None,
        max_ongoing_requests=serve.max_ongoing_requests,
        resources=_process(serve.resources),
        hybrid=agent.spec.execution.mode == "Hybrid",
        public=_public(agent),
    )


def _public(agent: Agent) -> PublicSettings | None:
    if agent.spec.execution.serve_token is None:
        return None
    settings = agent_settings(agent).model_copy(update={"generation": ALWAYS})
    return PublicSettings(route=route_of(agent), token_file=SERVE_TOKEN_FILE, agent=settings)


def _process(resources: ProcessResources) -> ProcessSettings:
    return ProcessSettings(cpus=resources.cpus, memory_bytes=resources.memory_bytes)
