"""The ``spec.llm`` section of a CognitiveAgent."""

from typing import Any

from pydantic import Field

from cognitive_operator.api.providers import PUBLIC_ENDPOINTS, Provider
from cognitive_operator.api.resource_model import ResourceModel
from cognitive_operator.api.vllm_spec import ManagedVLLM
from cognitive_operator.api.wire_settings import Backend, StructuredOutput


class SecretKeyRef(ResourceModel):
    """A key of a Secret in the agent's namespace."""

    name: str
    key: str = "api-key"


class LLMLogging(ResourceModel):
    """Parts of each model call that executors log."""

    requests: bool = True
    responses: bool = False
    tokens: bool = True


class ServedModel(ResourceModel):
    """A model with its provider and endpoint."""

    provider: Provider = "openaiCompatible"
    model: str
    endpoint: str | None = None
    """Absent: the provider's public API."""
    api_version: str | None = None
    """Azure only: the API version, a date. Absent: the unversioned API."""
    api_key_secret_ref: SecretKeyRef | None = None

    @property
    def url(self) -> str:
        """URL of the model's API."""
        return self.endpoint or PUBLIC_ENDPOINTS[self.provider]


class Fallback(ServedModel):
    """A model that is called when the models before it are unavailable."""


class RedisSecretRef(SecretKeyRef):
    """A key of a Secret that holds the URL of a Redis."""

    key: str = "redis-url"


class Cache(ResourceModel):
    """Result cache: a task with the same question as an earlier one gets its cached result for ``ttl_seconds``."""

    enabled: bool = False
    ttl_seconds: int = 3600
    backend: Backend = "Ray"


class RateLimit(ResourceModel):
    """Rate limit of an agent's model calls."""

    requests_per_minute: int = 60
    tokens_per_minute: int = 150_000
    backend: Backend = "Ray"


class Reasoning(ResourceModel):
    """Thinking of a reasoning model."""

    effort: str | None = None
    """Absent: not sent."""
    max_tokens: int | None = None
    """Tokens for thinking beside ``llm.max_tokens``. Absent: a default for models that think."""


class Variant(ResourceModel):
    """Settings that some of an agent's tasks have in place of the agent's own; absent fields are those of ``llm``."""

    name: str
    weight: int = 1
    """Share of the new tasks, relative to the sum of all weights."""
    provider: Provider | None = None
    model: str | None = None
    endpoint: str | None = None
    api_version: str | None = None
    api_key_secret_ref: SecretKeyRef | None = None
    system_prompt: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    structured_output: StructuredOutput | None = None
    reasoning: Reasoning | None = None
    extra_body: dict[str, Any] | None = None

    @property
    def has_own_server(self) -> bool:
        """True if its model is not at the endpoint of ``llm``."""
        return self.endpoint is not None or self.provider is not None


class LLM(ServedModel):
    """The model of an agent."""

    vllm: ManagedVLLM | None = None
    """A vLLM server managed by the operator, which provides endpoint and key (``api.model_server``)."""
    max_tokens: int = 1024
    structured_output: StructuredOutput = "Auto"
    reasoning: Reasoning | None = None
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the body of each call."""
    temperature: float | None = None
    """Absent: not sent, the server decides. The same applies to ``top_p``."""
    top_p: float | None = None
    timeout_seconds: int = 60
    max_retries: int = 3
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    stream: bool = False
    retry_delay_seconds: float = 1.0
    logging: LLMLogging = LLMLogging()
    fallbacks: tuple[Fallback, ...] = ()
    variants: tuple[Variant, ...] = ()
    cache: Cache = Cache()
    rate_limit: RateLimit | None = None
    redis_secret_ref: RedisSecretRef | None = None

    def variant(self, name: str | None) -> Variant | None:
        """Return the variant of a name, None if there is none."""
        return next((each for each in self.variants if each.name == name), None)

    @property
    def backends(self) -> set[Backend]:
        """Backends of the cache and of the rate limit that are in use."""
        cache = {self.cache.backend} if self.cache.enabled else set()
        return cache | ({self.rate_limit.backend} if self.rate_limit else set())
