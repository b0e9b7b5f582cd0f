"""What an agent says of its models, as their custom resource has it."""

from cognitive_operator.api.providers import PUBLIC_ENDPOINTS, Provider
from cognitive_operator.api.view import View
from cognitive_operator.api.vllm_spec import ManagedVLLM
from cognitive_operator.api.wire import Backend


class SecretKeyRef(View):
    """A key of a Secret in the agent's namespace."""

    name: str
    key: str = "api-key"


class LLMLogging(View):
    """What executors log of each model call."""

    requests: bool = True
    responses: bool = False
    tokens: bool = True


class Served(View):
    """A model and who serves it."""

    provider: Provider = "openaiCompatible"
    model: str
    endpoint: str | None = None
    """Absent: the provider's public API."""
    api_version: str | None = None
    """Azure alone: the date of the API; absent: the API without versions."""
    api_key_secret_ref: SecretKeyRef | None = None

    @property
    def url(self) -> str:
        """Where the model answers."""
        return self.endpoint or PUBLIC_ENDPOINTS[self.provider]


class Fallback(Served):
    """A model that answers when those before it cannot."""


class RedisSecretRef(SecretKeyRef):
    """A key of a Secret that holds the URL of a Redis."""

    key: str = "redis-url"


class Cache(View):
    """How long an answer is given again to the same question."""

    enabled: bool = False
    ttl_seconds: int = 3600
    backend: Backend = "Ray"


class RateLimit(View):
    """The most that an agent asks of its model."""

    requests_per_minute: int = 60
    tokens_per_minute: int = 150_000
    backend: Backend = "Ray"


class LLM(Served):
    """The model that an agent thinks with."""

    vllm: ManagedVLLM | None = None
    """A server of the agent's own, which then gives endpoint and key (``api.model_server``)."""
    max_tokens: int = 1024
    temperature: float = 0.7
    top_p: float = 1.0
    timeout_seconds: int = 60
    max_retries: int = 3
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    stream: bool = False
    retry_delay_seconds: float = 1.0
    logging: LLMLogging = LLMLogging()
    fallbacks: tuple[Fallback, ...] = ()
    cache: Cache = Cache()
    rate_limit: RateLimit | None = None
    redis_secret_ref: RedisSecretRef | None = None

    @property
    def backends(self) -> set[Backend]:
        """Where the agent's workers count and remember together, if they have something to."""
        cache = {self.cache.backend} if self.cache.enabled else set()
        return cache | ({self.rate_limit.backend} if self.rate_limit else set())
