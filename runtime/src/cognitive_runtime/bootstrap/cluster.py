"""HTTP API of a cluster. The only module that uses the adapter for Kubernetes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.http.cluster_app import ClusterApi, create_cluster_app
from cognitive_runtime.adapters.http.server import App
from cognitive_runtime.adapters.kube.access import ClusterAccess, access_by_kubeconfig, access_in_cluster
from cognitive_runtime.adapters.kube.agents import AgentHealth
from cognitive_runtime.adapters.kube.client import Caller, KubeClient
from cognitive_runtime.adapters.kube.incidents import UserIncidents
from cognitive_runtime.adapters.kube.kubeconfig import InvalidKubeconfig, read_kubeconfig
from cognitive_runtime.adapters.kube.task_calls import CallSettings, TaskCalls
from cognitive_runtime.bootstrap.cluster_settings import ClusterSettings
from cognitive_runtime.config import ConfigError
from cognitive_runtime.domain import CognitiveTaskType, IAnswerer
from cognitive_runtime.domain.call_refused import CallRefused

_SERVICE: Final = "cognitive-runtime serve"
_WITHOUT_OPERATION: Final = (CognitiveTaskType.PROPOSAL, CognitiveTaskType.CUSTOM)


def cluster_app(settings: ClusterSettings, environ: Mapping[str, str] = os.environ) -> App:
    """Return the HTTP API of a cluster. The API server is not called.

    Raises:
        ConfigError: The kubeconfig or the service account cannot be used.
    """
    try:
        access = _access(settings, environ)
    except InvalidKubeconfig as error:
        raise ConfigError(str(error)) from None
    return create_cluster_app(Cluster(settings, access).http_api())


def _access(settings: ClusterSettings, environ: Mapping[str, str]) -> ClusterAccess:
    if settings.kubeconfig is None:
        return access_in_cluster(environ)
    access = access_by_kubeconfig(read_kubeconfig(settings.kubeconfig))
    if settings.allows_own and access.own is None:
        raise InvalidKubeconfig(
            f"--allow-kubeconfig-user: the user of {settings.kubeconfig} needs a token, a tokenFile or a client "
            "certificate; users of plugins (exec, auth-provider) send their token with each call"
        )
    return access


@dataclass(frozen=True)
class Cluster:
    """Parts of the HTTP API of one cluster."""

    settings: ClusterSettings
    access: ClusterAccess

    def http_api(self) -> ClusterApi:
        """Return the parts of the HTTP API."""
        client, namespace = KubeClient(self.access), self.settings.namespace or self.access.namespace
        calls = TaskCalls(client, self._call_settings(namespace))
        incidents, agents = UserIncidents(client), AgentHealth(client, namespace, SystemClock())

        async def health(token: str | None, agent_id: str | None) -> dict[str, Any]:
            return await agents.check(Caller(token), self._agent(token, agent_id))

        async def status(token: str | None, agent_id: str | None) -> dict[str, Any]:
            return _status(await agents.check(Caller(token), self._agent(token, agent_id)))

        async def close() -> None:
            await calls.close()
            await client.close()

        def answers(token: str | None) -> IAnswerer:
            return calls.of(Caller(token))

        return ClusterApi(
            answers=answers,
            incidents=lambda token: incidents.of(Caller(token)),
            health=health,
            status=status,
            server_health=_server_health,
            close=close,
            allows_own=self.settings.allows_own,
        )

    def _call_settings(self, namespace: str) -> CallSettings:
        settings = self.settings
        return CallSettings(namespace, settings.agent, settings.timeout_s, settings.ttl_s, settings.cancels)

    def _agent(self, token: str | None, agent_id: str | None) -> str:
        """Return the agent to check. The server's own identity reads only the agent of all calls."""
        if token is None and self.settings.agent is None and not self.settings.allows_own:
            raise CallRefused("Unauthorized", "send a bearer token: this server has no agent for all calls (--agent)")
        if self.settings.agent is None and not agent_id:
            raise CallRefused("InvalidRequest", "agent_id: give the name of a CognitiveAgent as query parameter")
        return self._call_settings("").agent_for(agent_id or "")


def _server_health() -> dict[str, Any]:
    return {"status": "healthy", "service": _SERVICE, "timestamp": SystemClock().now()}


def _status(health: dict[str, Any]) -> dict[str, Any]:
    return {
        "success": True,
        "cognitive_core_available": health["status"] == "healthy",
        "serve_client_available": False,
        "supported_task_types": [each.value for each in CognitiveTaskType if each not in _WITHOUT_OPERATION],
        "agent": health["agent"],
        "namespace": health["namespace"],
        "timestamp": health["timestamp"],
    }
