"""Health of an agent: its condition Ready."""

import asyncio
from typing import Any, Final

from cognitive_runtime.adapters.kube.client import Body, Caller, KubeClient, Request
from cognitive_runtime.adapters.kube.manifests import agent_path
from cognitive_runtime.domain import IClock
from cognitive_runtime.domain.call_refused import CallRefused

KEPT_S: Final = 5.0
"""Time for which a finding by the server's own identity is used again, however many ask without a token."""


class AgentHealth:
    """Reads agents. Belongs to one event loop."""

    def __init__(self, client: KubeClient, namespace: str, clock: IClock) -> None:
        self._client = client
        self._namespace = namespace
        self._clock = clock
        self._lock = asyncio.Lock()
        self._own: dict[str, Any] | CallRefused = {}
        self._own_agent, self._own_s = "", 0.0

    async def check(self, caller: Caller, agent: str) -> dict[str, Any]:
        """Return ``status`` (healthy or unhealthy), the model, and the reason if the agent is not Ready.

        The last finding by the server's own identity, also a refusal, is used again for KEPT_S.

        Raises:
            CallRefused: The caller may not read the agent, or it does not exist.
        """
        if caller.token is not None:
            return await self._read(caller, agent)
        async with self._lock:
            if agent != self._own_agent or self._clock.monotonic() - self._own_s >= KEPT_S:
                self._own = await self._read_or_refusal(caller, agent)
                self._own_agent, self._own_s = agent, self._clock.monotonic()
            if isinstance(self._own, CallRefused):
                raise self._own.with_traceback(None)
            return {**self._own, "timestamp": self._clock.now()}

    async def _read_or_refusal(self, caller: Caller, agent: str) -> dict[str, Any] | CallRefused:
        try:
            return await self._read(caller, agent)
        except CallRefused as error:
            return error

    async def _read(self, caller: Caller, agent: str) -> dict[str, Any]:
        try:
            found = await self._client.request(caller, Request("GET", agent_path(self._namespace, agent)))
        except CallRefused as error:
            if error.error_type == "NotFound":
                raise CallRefused("AgentNotFound", f"CognitiveAgent {self._namespace}/{agent} does not exist") from None
            raise
        return agent_health(found, self._clock.now())


def agent_health(agent: Body, now: str) -> dict[str, Any]:
    """Return the health of an agent that was read at a time."""
    names, llm = agent["metadata"], agent["spec"]["llm"]
    ready = _ready(agent)
    is_healthy = ready.get("status") == "True"
    message = (
        f"{ready.get('reason')}: {ready.get('message')}" if ready else "the operator has not reported on the agent"
    )
    remedy = f"see the conditions of CognitiveAgent {names['namespace']}/{names['name']}"
    return {
        "status": "healthy" if is_healthy else "unhealthy",
        "service": "cognitive_agent",
        "agent": names["name"],
        "namespace": names["namespace"],
        "model": llm["model"],
        "provider": llm["provider"],
        "checked_at": now,
        "timestamp": now,
        **({} if is_healthy else {"error": message, "remedy": remedy}),
    }


def _ready(agent: Body) -> Body:
    conditions = (agent.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == "Ready"), {})
