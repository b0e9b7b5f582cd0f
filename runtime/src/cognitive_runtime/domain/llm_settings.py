"""Settings of the model calls of an attempt."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from cognitive_runtime.domain.behaviour import ModelBehaviour
from cognitive_runtime.domain.endpoint import LLMLogging, ModelEndpoint
from cognitive_runtime.domain.errors import InvalidRequest
from cognitive_runtime.domain.quota import CacheSettings, RateLimit

StructuredOutput = Literal["Auto", "Schema", "Bounded", "JSONObject", "Text"]
"""Way in which an answer is held to its form.

Schema: by a plain JSON schema. Bounded: by a schema whose texts and lists are bounded so that every answer fits
``max_tokens``. JSONObject: any JSON object, described in the prompt. Text: described in the prompt alone. Auto: Schema,
and the next weaker form of what the server is known to refuse; Bounded for a model whose answers were cut off.
"""
MAX_FALLBACKS: Final = 5
MAX_THINKING_TOKENS: Final = 1_000_000
MAX_EXTRA_BODY_BYTES: Final = 16 * 1024
"""Maximum size of ``extra_body`` as JSON."""
PRODUCT_FIELDS: Final = frozenset(
    {
        "api_key",
        "authorization",
        "extra_headers",
        "frequency_penalty",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "n",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
    }
)
"""Fields that ``extra_body`` must not contain: the runtime sets them, reads no such answer, or they are credentials."""


@dataclass(frozen=True)
class ReasoningSettings:
    """Thinking of a reasoning model."""

    effort: str | None = None
    """Value of ``reasoning_effort``, such as ``low``; None: not sent."""
    max_tokens: int | None = None
    """Tokens for thinking, in addition to ``max_tokens`` of the answer; None: a default for models that think."""


@dataclass(frozen=True)
class LLMSettings:
    """Settings of the model calls of an attempt.

    Raises:
        InvalidRequest: A number is out of range, or the endpoint is not a URL.
    """

    provider: str
    model: str
    endpoint: str
    api_key_file: str | None = None
    """Name of a file in the agent's folder of secrets."""
    max_tokens: int = 1024
    temperature: float | None = None
    """None: not sent, the server decides. The same applies to ``top_p``."""
    top_p: float | None = None
    timeout_seconds: float = 60
    """Time limit of one call."""
    max_retries: int = 3
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    stream: bool = False
    """True if the server streams each answer."""
    retry_delay_seconds: float = 1.0
    """Maximum pause before the first retry of a call; doubled for each further retry."""
    logging: LLMLogging = field(default_factory=LLMLogging)
    fallbacks: tuple[ModelEndpoint, ...] = ()
    """Fallback models, used in this order if the model before is unavailable, too slow or rate-limited."""
    cache: CacheSettings = field(default_factory=CacheSettings)
    rate_limit: RateLimit | None = None
    """None: unlimited."""
    api_version: str | None = None
    """Azure only: date of the API version; None: the unversioned API."""
    structured_output: StructuredOutput = "Auto"
    reasoning: ReasoningSettings = ReasoningSettings()
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of each request body, such as ``chat_template_kwargs``."""
    learnt: tuple[ModelBehaviour, ...] = ()
    """Behaviour of the agent's models that other processes have learnt."""
    redis_url_file: str | None = None
    """Name of the file with the Redis URL in the agent's folder of secrets, for the backend Redis."""

    @property
    def endpoints(self) -> tuple[ModelEndpoint, ...]:
        """All models, in the order in which they are used."""
        own = ModelEndpoint(self.provider, self.model, self.endpoint, self.api_key_file, self.api_version)
        return (own, *self.fallbacks)

    def __post_init__(self) -> None:
        for number, each in enumerate(self.endpoints):
            _check_endpoint(f"agent.llm.fallbacks[{number - 1}]" if number else "agent.llm", each)
        self._check_numbers()
        self._check_redis()
        self._check_reasoning()
        self._check_extra_body()

    def _check_reasoning(self) -> None:
        effort, tokens = self.reasoning.effort, self.reasoning.max_tokens
        holds = effort is None or re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", effort, re.ASCII) is not None
        require(holds, "agent.llm.reasoning.effort", "must be a word of at most 32 letters, digits, '_', '.' and '-'")
        within = tokens is None or 1 <= tokens <= MAX_THINKING_TOKENS
        require(within, "agent.llm.reasoning.max_tokens", f"must be in 1..{MAX_THINKING_TOKENS}")

    def _check_extra_body(self) -> None:
        own = ", ".join(sorted(PRODUCT_FIELDS & set(self.extra_body)))
        require(not own, "agent.llm.extra_body", f"must not contain {own}: the runtime sets these fields itself")
        size = json_bytes(self.extra_body)
        rule = f"must be a JSON object of at most {MAX_EXTRA_BODY_BYTES} bytes"
        require(size is not None and size <= MAX_EXTRA_BODY_BYTES, "agent.llm.extra_body", rule)

    def _check_redis(self) -> None:
        name = self.redis_url_file
        uses_cache = self.cache.enabled and self.cache.backend == "Redis"
        uses_redis = uses_cache or (self.rate_limit is not None and self.rate_limit.backend == "Redis")
        require(name is not None or not uses_redis, "agent.llm.redis_url_file", "must be there for the backend Redis")
        require(name is None or _is_file_name(name), "agent.llm.redis_url_file", "must be a plain file name")

    def _check_numbers(self) -> None:
        require(len(self.fallbacks) <= MAX_FALLBACKS, "agent.llm.fallbacks", f"must be at most {MAX_FALLBACKS}")
        require(self.max_tokens >= 1, "agent.llm.max_tokens", "must be at least 1")
        require(self.temperature is None or 0 <= self.temperature <= 2, "agent.llm.temperature", "must be in 0..2")
        require(self.top_p is None or 0 <= self.top_p <= 1, "agent.llm.top_p", "must be in 0..1")
        require(self.timeout_seconds > 0, "agent.llm.timeout_seconds", "must be more than 0")
        require(self.max_retries >= 0, "agent.llm.max_retries", "must not be negative")
        require(self.retry_delay_seconds >= 0, "agent.llm.retry_delay_seconds", "must not be negative")
        require(self.cache.ttl_seconds > 0, "agent.llm.cache.ttl_seconds", "must be more than 0")
        limit = self.rate_limit or RateLimit()
        require(limit.requests_per_minute >= 1, "agent.llm.rate_limit.requests_per_minute", "must be at least 1")
        require(limit.tokens_per_minute >= 1, "agent.llm.rate_limit.tokens_per_minute", "must be at least 1")
        for name in ("frequency_penalty", "presence_penalty"):
            require(-2 <= getattr(self, name) <= 2, f"agent.llm.{name}", "must be in -2..2")


def require(holds: bool, name: str, rule: str) -> None:
    """Raise ``InvalidRequest`` with the field and its rule unless the rule holds."""
    if not holds:
        raise InvalidRequest(f"{name} {rule}.")


def json_bytes(value: Any) -> int | None:
    """Return the size of a value as JSON, or None if it is not JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return len(text.encode("utf-8", "replace"))
    except (TypeError, ValueError, RecursionError):
        return None


def _check_endpoint(name: str, found: ModelEndpoint) -> None:
    key_file = found.api_key_file
    require(bool(found.model.strip()), f"{name}.model", "must not be empty")
    require(found.endpoint.startswith(("http://", "https://")), f"{name}.endpoint", "must be an http(s) URL")
    require(found.api_version is None or _is_version(found.api_version), f"{name}.api_version", "must be a date")
    require(key_file is None or _is_file_name(key_file), f"{name}.api_key_file", "must be a plain file name")


def _is_version(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}(-preview)?", text, re.ASCII) is not None


def _is_file_name(name: str) -> bool:
    return bool(name) and "/" not in name and "\0" not in name and name not in (".", "..")
