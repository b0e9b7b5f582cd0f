"""What a provider wants otherwise than others: its address, the header of its key, the settings that it takes."""

import re
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import anyio
from httpx2 import Limits
from openai import AsyncAzureOpenAI, AsyncOpenAI, DefaultAsyncHttpxClient, Omit

from cognitive_runtime.adapters.vllm.endpoint import base_url

_UNUSED_KEY: Final = "sent-per-request"
_FOREIGN_HEADERS: Final = {"OpenAI-Organization": Omit(), "OpenAI-Project": Omit()}
"""The package fills these from the environment of the process: they are not this agent's."""
_CONNECTIONS: Final = Limits(max_connections=1000, max_keepalive_connections=16)
"""Each call looks at every idle connection: with the package's own hundred of them that takes longer than the call."""
_AZURE_API: Final = re.compile(r"/openai(/.*)?$")


class ProviderAPI:
    """OpenAI's chat completions as nearly everybody speaks them: vLLM, OpenAI, Google, gateways."""

    _follows_redirects = True

    def address(self, endpoint: str) -> str:
        """Return the URL below which ``chat/completions`` lies."""
        return base_url(endpoint)

    def connect(self, endpoint: str) -> AsyncOpenAI:
        """Return a client that never repeats a call and knows no key: each call brings its own."""
        return AsyncOpenAI(
            base_url=self.address(endpoint),
            api_key=_UNUSED_KEY,
            max_retries=0,
            timeout=None,
            http_client=self._web(),
        )

    def headers(self, api_key: str | None) -> dict[str, Any]:
        """Return what carries the key, and keeps whatever the environment of the process holds from being sent."""
        return _FOREIGN_HEADERS | {"Authorization": f"Bearer {api_key}" if api_key else Omit()}

    def settings(self, sampling: dict[str, Any]) -> dict[str, Any]:
        """Return what of ``temperature`` and ``top_p`` is sent."""
        return sampling

    def _web(self) -> DefaultAsyncHttpxClient:
        return DefaultAsyncHttpxClient(limits=_CONNECTIONS, follow_redirects=self._follows_redirects)


class AnthropicAPI(ProviderAPI):
    """Anthropic's OpenAI compatibility: its newer models take ``temperature`` or ``top_p``, not both."""

    def settings(self, sampling: dict[str, Any]) -> dict[str, Any]:
        """Return them without a ``top_p`` that means nothing."""
        return {name: value for name, value in sampling.items() if name != "top_p" or value != 1}


class AzureAPI(ProviderAPI):
    """Azure OpenAI's API without versions, ``…/openai/v1``; the key has a header of its own."""

    _follows_redirects = False
    """Other hosts would get the key, whose header nobody strips."""

    def address(self, endpoint: str) -> str:
        """Return the URL for a resource, also when the endpoint names its API already."""
        return f"{_resource(endpoint)}/openai/v1"

    def headers(self, api_key: str | None) -> dict[str, Any]:
        """Return the key in Azure's header, and no other credential."""
        return _FOREIGN_HEADERS | {"Authorization": Omit(), "api-key": api_key or Omit()}


class VersionedAzureAPI(AzureAPI):
    """Azure OpenAI's API by its date: the model is the name of a deployment."""

    def __init__(self, api_version: str) -> None:
        self._api_version = api_version

    def address(self, endpoint: str) -> str:
        """Return the URL for a resource."""
        return f"{_resource(endpoint)}/openai"

    def connect(self, endpoint: str) -> AsyncOpenAI:
        """Return a client that follows no redirect."""
        return AsyncAzureOpenAI(
            azure_endpoint=_resource(endpoint),
            api_version=self._api_version,
            api_key=_UNUSED_KEY,
            max_retries=0,
            timeout=None,
            http_client=self._web(),
        )


def provider_api(provider: str, api_version: str | None = None) -> ProviderAPI:
    """Return how a provider is spoken to."""
    if provider == "azure":
        return VersionedAzureAPI(api_version) if api_version else AzureAPI()
    return AnthropicAPI() if provider == "anthropic" else ProviderAPI()


def load_client() -> None:
    """Import what the packages would import at their first call: a quarter of a second of an agent's first task.

    Blocks; not for a thread that runs an event loop.
    """
    _ = ProviderAPI().connect("http://localhost").chat.completions
    anyio.run(anyio.sleep, 0)


def _resource(endpoint: str) -> str:
    scheme, host, path, _, _ = urlsplit(endpoint.strip())
    return urlunsplit((scheme, host, _AZURE_API.sub("", path).rstrip("/"), "", ""))
