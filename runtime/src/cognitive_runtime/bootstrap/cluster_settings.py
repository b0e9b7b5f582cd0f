"""Settings of the HTTP API of a cluster."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ClusterSettings:
    """Cluster, agent and treatment of the tasks."""

    kubeconfig: Path | None = None
    """None: the service account of this pod."""
    namespace: str | None = None
    """None: that of the kubeconfig's context or of the pod."""
    agent: str | None = None
    """CognitiveAgent of all calls; None: ``agent_id`` of the call names it."""
    timeout_s: int = 300
    """Time limit of a call, which its task survives."""
    ttl_s: int = 3600
    """Seconds after its end at which a task is deleted."""
    cancels: bool = True
    """A client that goes away cancels its task."""
    allows_own: bool = False
    """Calls without a token have the identity of the kubeconfig. For local use."""
