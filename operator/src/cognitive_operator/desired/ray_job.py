"""Ray submissions of executors and of attempts in Job mode. They contain no user's text and no secret."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from cognitive_operator.api.execution import ProcessResources
from cognitive_operator.api.names import AttemptKey, attempt_submission_id, request_subject
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.execution import execution_variables
from cognitive_operator.desired.request import executor_files
from cognitive_operator.ports.ray import RaySubmission

AGENT_UID_KEY: Final = "cognitive-agent-uid"
"""Key of the metadata by which Ray names the agent of a job."""
EXECUTOR_CPUS: Final = 0.1
"""CPUs that an executor reserves for the worker in its process, and by default for each actor and each warm slot."""
ATTEMPT_CPUS: Final = 0.0
"""CPUs that the Ray job of an attempt reserves by default."""


class Reservation(NamedTuple):
    """Resources that Ray reserves for a job."""

    cpus: float
    memory_bytes: int = 0

    def times(self, processes: int) -> "Reservation":
        """Return the resources of several processes. CPUs have three digits, as the CRD allows."""
        return Reservation(round(self.cpus * processes, 3), self.memory_bytes * processes)


@dataclass(frozen=True)
class RayEnvironment:
    """Settings of all Ray jobs of the operator."""

    nats_url: str
    """URL of the broker as Ray's workers reach it, without credentials."""
    otlp_endpoint: str | None = None
    """URL of the OpenTelemetry collector as Ray's workers reach it, without credentials; None: no traces."""
    image: str = ""
    """Image of the pods of managed Ray clusters whose agents name none."""
    is_in_cluster: bool = True
    """True if the operator runs in the cluster that it manages, where the names of Services resolve."""

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of the jobs."""
        traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": self.otlp_endpoint} if self.otlp_endpoint else {}
        return {"COGNITIVE_NATS_URL": self.nats_url, **traces}


def executor_arguments(agent: Agent) -> str:
    """Return the entrypoint of an agent's executor."""
    execution, meta = agent.spec.execution, agent.metadata
    secrets = "".join(f" --require-secret {name}" for name in executor_files(agent))
    head = f"python -m cognitive_runtime executor --namespace {meta.namespace} --agent-uid {meta.uid}"
    if execution.is_job:  # attempts join Ray for the shared quota store themselves
        return f"{head} --workers 1 --concurrency 1{secrets}"
    ledger = " --shared-ledger" if "Ray" in agent.spec.llm.backends else ""
    return f"{head} --workers {execution.workers} --concurrency {execution.concurrency_per_worker}{secrets}{ledger}"


def settings_hash(agent: Agent, environment: RayEnvironment, ray_life: str = "") -> str:
    """Return 8 hex digits that change with an executor's settings; a changed hash starts another executor.

    ``ray_life`` identifies the running head of the agent's own Ray cluster.
    """
    ray = agent.spec.ray.cluster
    pods = [ray.image or environment.image, ray.ray_version, ray_life] if ray else []
    variables = [*environment.variables.values(), *execution_variables(agent).values()]
    settings = json.dumps([executor_arguments(agent), *variables, *pods, *_unusual_slot(agent)])
    return hashlib.sha256(settings.encode()).hexdigest()[:8]


def desired_executor(agent: Agent, submission_id: str, environment: RayEnvironment) -> RaySubmission:
    """Build the submission of an agent's long-lived executor."""
    submission = _submission(submission_id, executor_arguments(agent), environment, agent)
    variables = {**submission.env_vars, **execution_variables(agent)}
    slots = agent.spec.execution.warm_slots
    reserved = _reservation(agent, EXECUTOR_CPUS).times(slots) if slots else Reservation(EXECUTOR_CPUS)
    return replace(submission, env_vars=variables, **reserved._asdict())


def desired_attempt(agent: Agent, key: AttemptKey, environment: RayEnvironment) -> RaySubmission:
    """Build the submission of one attempt in Job mode; its entrypoint names only the request's subject."""
    subject = request_subject(agent.metadata.namespace, key)
    submission_id = attempt_submission_id(key.task_uid, key.number)
    submission = _submission(submission_id, f"python -m cognitive_runtime attempt {subject}", environment, agent)
    return replace(submission, **_reservation(agent, ATTEMPT_CPUS)._asdict())


def _reservation(agent: Agent, usual_cpus: float) -> Reservation:
    """Return what Ray reserves for one attempt in Job mode, or for one warm slot."""
    resources = agent.spec.execution.resources or ProcessResources()
    return Reservation(usual_cpus if resources.cpus is None else resources.cpus, resources.memory_bytes or 0)


def _unusual_slot(agent: Agent) -> list[Reservation]:
    """Return what Ray reserves for one warm slot, nothing if that is the default or the agent has no slots."""
    slot = _reservation(agent, EXECUTOR_CPUS)
    return [slot] if agent.spec.execution.warm_slots and slot != Reservation(EXECUTOR_CPUS) else []


def _submission(submission_id: str, entrypoint: str, environment: RayEnvironment, agent: Agent) -> RaySubmission:
    return RaySubmission(
        submission_id=submission_id,
        entrypoint=entrypoint,
        env_vars={**environment.variables, "COGNITIVE_SUBMISSION_ID": submission_id},
        metadata={"cognitive-namespace": agent.metadata.namespace, AGENT_UID_KEY: agent.metadata.uid},
    )
