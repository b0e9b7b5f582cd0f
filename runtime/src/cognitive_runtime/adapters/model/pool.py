"""Pool of model server connections that attempts share."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from cognitive_runtime.adapters.model.client import ReadKey, VLLMHTTPClient, no_key
from cognitive_runtime.adapters.model.fallback import FallbackClient
from cognitive_runtime.adapters.model.retry import RetryPolicy
from cognitive_runtime.adapters.model.server import ModelServer
from cognitive_runtime.domain import (
    CallMeter,
    CredentialsNotMounted,
    ExecutionRequest,
    IAllowance,
    LearntBehaviour,
    ModelBehaviour,
    ModelEndpoint,
)

_ServerKey = tuple[str, ModelEndpoint]

ReadSecret = Callable[[str, str], str]
"""Returns the content of a secret file; takes agent UID and file name. Raises ``CredentialsNotMounted``."""


class ModelPool:
    """Implements ``IModelSource``. Calls share connections by event loop, agent and endpoint, whatever the model."""

    def __init__(self, read_secret: ReadSecret, now_s: Callable[[], float] = time.time) -> None:
        """Take the source of secrets, and the wall clock, which returns Unix seconds."""
        self._read_secret = read_secret
        self._learnt = LearntBehaviour(now_s)
        self._servers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_ServerKey, ModelServer]]
        self._servers = WeakKeyDictionary()

    def open(
        self,
        request: ExecutionRequest,
        deadline_s: float,
        allowance: IAllowance | None = None,
        meter: CallMeter | None = None,
    ) -> FallbackClient:
        """Return a client for one attempt. Must be called on the attempt's event loop."""
        self._learnt.merge(request.agent.llm.learnt)
        endpoints = request.agent.llm.endpoints
        accounts = _Accounts(allowance, meter)
        models = [(each, self._client(request, each, deadline_s, accounts)) for each in endpoints]
        return FallbackClient(models, deadline_s)

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        """Return the learnt behaviour of all models that this process calls."""
        return self._learnt.snapshot()

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        for server in self._servers.pop(asyncio.get_running_loop(), {}).values():
            await server.close()

    def _client(
        self, request: ExecutionRequest, endpoint: ModelEndpoint, deadline_s: float, accounts: "_Accounts"
    ) -> VLLMHTTPClient:
        llm = request.agent.llm
        return VLLMHTTPClient(
            endpoint.endpoint,
            request.agent_uid,
            request.agent.role,
            endpoint.model,
            timeout_s=llm.timeout_seconds,
            read_key=self._key_reader(request.agent_uid, endpoint.api_key_file),
            retry=RetryPolicy(llm.max_retries, deadline_s, llm.retry_delay_seconds),
            server=self._server(request.agent_uid, endpoint),
            logging=llm.logging,
            allowance=accounts.allowance,
            meter=accounts.meter,
            learnt=self._learnt,
        )

    def _server(self, agent_uid: str, endpoint: ModelEndpoint) -> ModelServer:
        servers = self._servers.setdefault(asyncio.get_running_loop(), {})
        key = (agent_uid, replace(endpoint, model=""))
        if key not in servers:
            servers[key] = ModelServer(endpoint.endpoint, endpoint.provider, endpoint.api_version)
        return servers[key]

    def _key_reader(self, agent_uid: str, name: str | None) -> ReadKey:
        if name is None:
            return no_key
        return lambda: _usable(name, self._read_secret(agent_uid, name))


@dataclass(frozen=True)
class _Accounts:
    """Limits and counts of an attempt's calls."""

    allowance: IAllowance | None
    meter: CallMeter | None


def _usable(name: str, content: str) -> str:
    """Return the key without the line end of the file. It must be valid in an HTTP header."""
    key = content.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise CredentialsNotMounted(f"The file {name} contains no valid API key.")
    return key
