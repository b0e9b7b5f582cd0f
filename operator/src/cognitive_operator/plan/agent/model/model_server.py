"""Conditions and decisions about the model server that an agent owns."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from cognitive_operator.api.children import spec_hash_of
from cognitive_operator.api.conditions import AgentCondition, Condition, Reason, as_sentence
from cognitive_operator.api.model_server import PORT, model_server_name
from cognitive_operator.api.resources import Agent
from cognitive_operator.plan.agent.conditions import target_of
from cognitive_operator.plan.agent.diagnosis import ObservedChild, diagnose
from cognitive_operator.ports.kube import Body, KubeEvent
from cognitive_operator.ports.model import InferenceResult, ModelTarget

LOCAL: Final = (Reason.MODEL_UNREACHABLE, Reason.MODEL_NOT_SERVED)
"""Reasons that a server gives while its pods of the newest spec are not ready yet."""


@dataclass(frozen=True)
class ObservedServer:
    """An agent's own model server as last observed."""

    deployment: Body
    service: Body
    pods: Sequence[Body] = ()
    """Read only while the server is not rolled out."""
    claims: Sequence[Body] = ()
    warnings: Sequence[KubeEvent] = ()

    @property
    def wanted(self) -> int:
        """Wanted number of pods."""
        return int(self.deployment["spec"].get("replicas", 1))

    @property
    def ready(self) -> int:
        """Number of ready pods, those of an older spec included."""
        return self._count("readyReplicas")

    @property
    def is_observed(self) -> bool:
        """True once the Deployment's status describes the newest spec."""
        generation = self.deployment["metadata"].get("generation", 0)
        return self._count("observedGeneration") >= int(generation)

    @property
    def is_rolled_out(self) -> bool:
        """True when all pods have the newest spec and are ready."""
        counts = {self._count(name) for name in ("replicas", "updatedReplicas", "readyReplicas")}
        return self.is_observed and counts == {self.wanted}

    @property
    def proof(self) -> str:
        """Identifies the rollout that a short inference has proved."""
        return f"{spec_hash_of(self.deployment)}/{self.is_rolled_out}"

    def _count(self, name: str) -> int:
        return int((self.deployment.get("status") or {}).get(name) or 0)


@dataclass(frozen=True)
class ServerState:
    """State of an agent's own model server that is kept between two reconciliations."""

    name: str | None = None
    """Name of the Deployment; None: there is none."""
    wanted: int = 0
    ready: int = 0
    trial: InferenceResult | None = None
    """The inference that proved the server."""
    proof: str = ""
    proven_at: str = ""
    tidied: int = 0
    """Generation of the agent for which former children were deleted."""
    unwanted_since_s: float | None = None


NO_SERVER: Final = ServerState()


def may_delete_server(agent: Agent, running: int, unwanted_s: float) -> bool:
    """Return True once no attempt can still use an agent's former model server.

    Args:
        agent: The agent.
        running: Number of its running tasks.
        unwanted_s: Seconds since the agent has another model.
    """
    return not running or unwanted_s >= agent.spec.task_defaults.timeout_seconds


def server_target(agent: Agent, server: ObservedServer, *, by_name: bool) -> ModelTarget:
    """Return the API of an agent's own server.

    Args:
        agent: The agent.
        server: Its server.
        by_name: True where the names of Services resolve; else the API is reached by the Service's IP address.
    """
    target, address = target_of(agent.spec.llm), server.service["spec"].get("clusterIP")
    if by_name or not address:
        return target
    host = f"[{address}]" if ":" in address else address
    return replace(target, endpoint=f"http://{host}:{PORT}/v1")


def server_place(agent: Agent) -> str:
    """Return the name by which messages refer to the Deployment of an agent's server."""
    return f"Deployment {agent.metadata.namespace}/{model_server_name(agent)}"


def diagnose_server(agent: Agent, server: ObservedServer) -> Condition | None:
    """Return why not all of a server's pods are ready, None if nothing points to a failure."""
    conditions = (server.deployment.get("status") or {}).get("conditions") or []
    place = server_place(agent)
    child = ObservedChild(AgentCondition.MODEL_READY, place, conditions, server.pods, server.claims, server.warnings)
    return diagnose(child)


def check_server(agent: Agent, server: ObservedServer) -> Condition | None:
    """Return ModelReady while no pod of a server answers, None once the server can be asked."""
    place = server_place(agent)
    if server.wanted == 0:
        return Condition.false(
            AgentCondition.MODEL_READY, Reason.SUSPENDED, f"spec.suspend is true: {place} is scaled to zero."
        )
    if server.deployment["metadata"].get("deletionTimestamp"):
        return Condition.false(
            AgentCondition.MODEL_READY, Reason.MODEL_STARTING, f"{place} is being deleted and will be created again."
        )
    if server.is_observed and server.ready:
        return None
    return _starting(agent, server)


def check_settled(agent: Agent, server: ObservedServer, found: Condition) -> Condition:
    """Return ModelReady for a server's answer, with the cause of a stuck rollout."""
    if not found.is_true and found.reason in LOCAL and not server.is_rolled_out:
        return _starting(agent, server)
    cause = None if not found.is_true or server.is_rolled_out else diagnose_server(agent, server)
    if cause is None:
        return found
    stuck = f"The rollout is stuck ({cause.reason}): {cause.message}"
    return Condition.true(AgentCondition.MODEL_READY, found.reason, f"{as_sentence(found.message)} {stuck}")


def check_first_inference(agent: Agent, found: Condition, trial: InferenceResult) -> Condition:
    """Return ModelReady by the result of a short inference."""
    if not trial.ok:
        message = f"{server_place(agent)} lists its models, but its first inference failed: {trial.message}"
        return Condition.false(AgentCondition.MODEL_READY, Reason.MODEL_FAILED, message)
    return Condition.true(
        AgentCondition.MODEL_READY,
        found.reason,
        f"{server_place(agent)} serves {agent.spec.llm.model}. {as_sentence(found.message)}",
    )


def _starting(agent: Agent, server: ObservedServer) -> Condition:
    cause = diagnose_server(agent, server)
    if cause is not None:
        return cause
    place, running = server_place(agent), sum(1 for pod in server.pods if _phase(pod) == "Running")
    step = "the model is loading" if running else "the pods are starting"
    return Condition.false(
        AgentCondition.MODEL_READY,
        Reason.MODEL_STARTING,
        f"{place}: {server.ready} of {server.wanted} pods are ready; {step}.",
    )


def _phase(pod: Body) -> str:
    return str((pod.get("status") or {}).get("phase"))
