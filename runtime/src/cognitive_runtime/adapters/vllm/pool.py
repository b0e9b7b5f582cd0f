"""The model servers that the attempts of this process share."""

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

from cognitive_runtime.adapters.vllm.client import ReadKey, VLLMHTTPClient, no_key
from cognitive_runtime.adapters.vllm.retry import RetryPolicy
from cognitive_runtime.adapters.vllm.server import ModelServer
from cognitive_runtime.domain import CredentialsNotMounted, ExecutionRequest, IAllowance

ReadSecret = Callable[[str, str], str]
"""Returns the content of a file among an agent's secrets: agent UID, file name. Raises ``CredentialsNotMounted``."""


class ModelPool:
    """Implements ``IModelSource``: one set of connections per event loop, endpoint and key file."""

    def __init__(self, read_secret: ReadSecret) -> None:
        self._read_secret = read_secret
        self._servers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str, str | None], ModelServer]]
        self._servers = WeakKeyDictionary()

    def open(self, request: ExecutionRequest, deadline_s: float, allowance: IAllowance | None = None) -> VLLMHTTPClient:
        """Return a client for one attempt. Call it where the attempt's event loop runs."""
        llm = request.agent.llm
        return VLLMHTTPClient(
            llm.endpoint,
            request.agent_uid,
            request.agent.role,
            llm.model,
            timeout_s=llm.timeout_seconds,
            read_key=self._key_reader(request),
            retry=RetryPolicy(llm.max_retries, deadline_s),
            server=self._server(request),
            allowance=allowance,
        )

    async def close(self) -> None:
        """Close the connections that belong to the running event loop."""
        for server in self._servers.pop(asyncio.get_running_loop(), {}).values():
            await server.close()

    def _server(self, request: ExecutionRequest) -> ModelServer:
        llm = request.agent.llm
        servers = self._servers.setdefault(asyncio.get_running_loop(), {})
        key = (llm.endpoint, request.agent_uid, llm.api_key_file)
        if key not in servers:
            servers[key] = ModelServer(llm.endpoint)
        return servers[key]

    def _key_reader(self, request: ExecutionRequest) -> ReadKey:
        name = request.agent.llm.api_key_file
        if name is None:
            return no_key
        return lambda: _usable(name, self._read_secret(request.agent_uid, name))


def _usable(name: str, content: str) -> str:
    """Return the key without the line end that files have; it must fit in an HTTP header."""
    key = content.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise CredentialsNotMounted(f"The file {name} holds no usable API key.")
    return key
