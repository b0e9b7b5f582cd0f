"""Differences between providers: URL, header of the API key, and sampling settings."""

import re
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import anyio
from httpx2 import Limits
from openai import AsyncAzureOpenAI, AsyncOpenAI, DefaultAsyncHttpxClient, Omit

from cognitive_runtime.adapters.model.endpoint import base_url

_UNUSED_KEY: Final = "sent-per-request"
_FOREIGN_HEADERS: Final = {"OpenAI-Organization": Omit(), "OpenAI-Project": Omit()}
"""Headers that the ``openai`` package fills from the environment, which does not belong to the agent."""
_CONNECTIONS: Final = Limits(max_connections=1000, max_keepalive_connections=16)
"""Each call scans all idle connections. With the package's default of 100, this takes longer than the call."""
_MAX_REDIRECTS: Final = 3
"""Redirects of one call. The package's default of 20 multiplies the calls to a server that redirects to itself."""
_AZURE_API: Final = re.compile(r"/openai(/.*)?$")


class ProviderAPI:
    """OpenAI's chat completions: vLLM, OpenAI, Google, gateways."""

    _follows_redirects = True

    def address(self, endpoint: str) -> str:
        """Return the base URL of ``chat/completions``."""
        return base_url(endpoint)

    def connect(self, endpoint: str) -> AsyncOpenAI:
        """Return a client without retries and without a key. Each call passes its own key."""
        return AsyncOpenAI(
            base_url=self.address(endpoint),
            api_key=_UNUSED_KEY,
            max_retries=0,
            timeout=None,
            http_client=self._web(),
        )

    def headers(self, api_key: str | None) -> dict[str, Any]:
        """Return the header with the key, and the removal of headers from the process's environment."""
        return _FOREIGN_HEADERS | {"Authorization": f"Bearer {api_key}" if api_key else Omit()}

    def settings(self, sampling: dict[str, Any]) -> dict[str, Any]:
        """Return the sampling settings to send, out of ``temperature`` and ``top_p``."""
        return sampling

    def _web(self) -> DefaultAsyncHttpxClient:
        return DefaultAsyncHttpxClient(
            limits=_CONNECTIONS, follow_redirects=self._follows_redirects, max_redirects=_MAX_REDIRECTS
        )


class AnthropicAPI(ProviderAPI):
    """Anthropic's OpenAI compatibility. Newer models accept ``temperature`` or ``top_p``, but not both."""

    def settings(self, sampling: dict[str, Any]) -> dict[str, Any]:
        """Return the settings without ``top_p`` if it is 1."""
        return {name: value for name, value in sampling.items() if name != "top_p" or value != 1}


class AzureAPI(ProviderAPI):
    """Azure OpenAI's unversioned API, ``…/openai/v1``, with the key in its own header."""

    _follows_redirects = False
    """Redirects would send the key to another host: only the Authorization header is removed."""

    def address(self, endpoint: str) -> str:
        """Return the base URL of a resource, also for an endpoint that contains the API's path."""
        return f"{_resource(endpoint)}/openai/v1"

    def headers(self, api_key: str | None) -> dict[str, Any]:
        """Return Azure's header with the key, without other credentials."""
        return _FOREIGN_HEADERS | {"Authorization": Omit(), "api-key": api_key or Omit()}


class VersionedAzureAPI(AzureAPI):
    """Azure OpenAI's versioned API. The model is the name of a deployment."""

    def __init__(self, api_version: str) -> None:
        self._api_version = api_version

    def address(self, endpoint: str) -> str:
        """Return the base URL of a resource."""
        return f"{_resource(endpoint)}/openai"

    def connect(self, endpoint: str) -> AsyncOpenAI:
        """Return a client of the versioned API."""
        return AsyncAzureOpenAI(
            azure_endpoint=_resource(endpoint),
            api_version=self._api_version,
            api_key=_UNUSED_KEY,
            max_retries=0,
            timeout=None,
            http_client=self._web(),
        )


def provider_api(provider: str, api_version: str | None = None) -> ProviderAPI:
    """Return the API of a provider."""
    if provider == "azure":
        return VersionedAzureAPI(api_version) if api_version else AzureAPI()
    return AnthropicAPI() if provider == "anthropic" else ProviderAPI()


def load_client() -> None:
    """Import the modules that the packages import at their first call, which takes a quarter of a second.

    Blocking; must not be called on a thread with a running event loop.
    """
    _ = ProviderAPI().connect("http://localhost").chat.completions
    anyio.run(anyio.sleep, 0)


def _resource(endpoint: str) -> str:
    scheme, host, path, _, _ = urlsplit(endpoint.strip())
    return urlunsplit((scheme, host, _AZURE_API.sub("", path).rstrip("/"), "", ""))
