"""Model configuration of the library, from the ``LLM_*`` environment or from code."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final, cast, get_args

from cognitive_runtime.domain import (
    AgentSettings,
    CacheSettings,
    InvalidRequest,
    LLMLogging,
    LLMSettings,
    RateLimit,
    ReasoningSettings,
)
from cognitive_runtime.domain.llm_settings import StructuredOutput

KEY_FILE: Final = "llm-api-key"
_NAMES: Final = {
    "endpoint": "LLM_API_BASE",
    "timeout_seconds": "LLM_TIMEOUT",
    "retry_delay_seconds": "LLM_RETRY_DELAY",
    "cache.ttl_seconds": "LLM_CACHE_TTL",
    "reasoning.max_tokens": "LLM_REASONING_MAX_TOKENS",
    "reasoning.effort": "LLM_REASONING_EFFORT",
    "rate_limit.requests_per_minute": "LLM_RATE_LIMIT_REQUESTS_PER_MINUTE",
    "rate_limit.tokens_per_minute": "LLM_RATE_LIMIT_TOKENS_PER_MINUTE",
}
"""Variables whose name differs from the name of their setting."""
_TRUE: Final = ("true", "1", "yes", "on")
_FALSE: Final = ("false", "0", "no", "off")


class LLMConfigError(ValueError):
    """A setting is missing or invalid; the message names it and never contains a key."""


@dataclass(frozen=True)
class Provider:
    """Properties of a provider. All providers are called with OpenAI's chat completions."""

    key_variable: str
    """Variable of the API key."""
    api_base: str | None
    """URL of the API; None: ``LLM_API_BASE`` is required."""
    needs_key: bool = True


PROVIDERS: Final[Mapping[str, Provider]] = {
    "openai": Provider("OPENAI_API_KEY", "https://api.openai.com/v1"),
    "anthropic": Provider("ANTHROPIC_API_KEY", "https://api.anthropic.com/v1"),
    "google": Provider("GOOGLE_API_KEY", "https://generativelanguage.googleapis.com/v1beta/openai"),
    "azure": Provider("AZURE_OPENAI_API_KEY", None),
    "vllm": Provider("LLM_API_KEY", None, needs_key=False),
    "openaiCompatible": Provider("LLM_API_KEY", None, needs_key=False),
    "local": Provider("LLM_API_KEY", None, needs_key=False),
}


@dataclass(frozen=True)
class LLMConfig:
    """Model of a core, and settings of its calls.

    Raises:
        LLMConfigError: A setting is out of range, the provider is unknown, or its key or URL is missing.
    """

    provider: str = "openai"
    model: str = "gpt-4o"
    api_key: str | None = field(default=None, repr=False)
    api_base: str | None = None
    """URL of the API; None: the provider's own."""
    api_version: str | None = None
    """Azure only: date of the API version; None: the unversioned API."""
    max_tokens: int = 1024
    temperature: float | None = 0.7
    """None: not sent, the server decides. The same applies to ``top_p``."""
    top_p: float | None = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    timeout: float = 60.0
    """Time limit of one call, in seconds."""
    max_retries: int = 3
    retry_delay: float = 1.0
    """Maximum pause before the first retry of a call, in seconds."""
    stream: bool = False
    rate_limit_requests_per_minute: int = 60
    """Maximum calls of the core within any 60 seconds."""
    rate_limit_tokens_per_minute: int = 150_000
    """Maximum tokens of the core within any 60 seconds."""
    enable_caching: bool = True
    """True if the core caches results."""
    cache_ttl: float = 3600.0
    """Time to live of a cached result, in seconds."""
    log_requests: bool = True
    log_responses: bool = False
    log_tokens: bool = True
    system_prompt: str | None = None
    structured_output: str = "Auto"
    """Way in which an answer is held to its form: Auto, Schema, Bounded, JSONObject or Text."""
    reasoning_effort: str | None = None
    """Value of ``reasoning_effort`` for a reasoning model, such as low; None: not sent."""
    reasoning_max_tokens: int | None = None
    """Tokens for thinking, in addition to ``max_tokens``; None: as many again for a model that thinks."""
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of each request body, such as ``chat_template_kwargs``."""

    def __post_init__(self) -> None:
        if self.provider not in PROVIDERS:
            raise LLMConfigError(f"LLM_PROVIDER: {self.provider!r} is none of {', '.join(PROVIDERS)}")
        provider = PROVIDERS[self.provider]
        if provider.needs_key and not self.api_key:
            raise LLMConfigError(f"{provider.key_variable} is not set; the provider {self.provider} needs it")
        if not (self.api_base or provider.api_base):
            raise LLMConfigError(f"LLM_API_BASE is not set; the provider {self.provider} needs it")
        if self.api_version and self.provider != "azure":
            raise LLMConfigError(f"LLM_API_VERSION: the provider {self.provider} has none, only azure")
        self._check_output()
        self.settings()

    def _check_output(self) -> None:
        forms = get_args(StructuredOutput)
        if self.structured_output not in forms:
            raise LLMConfigError(f"LLM_STRUCTURED_OUTPUT: {self.structured_output!r} is none of {', '.join(forms)}")
        if self.reasoning_max_tokens is not None and self.reasoning_max_tokens < 1:
            raise LLMConfigError("LLM_REASONING_MAX_TOKENS must be at least 1")

    def settings(self) -> AgentSettings:
        """Return the settings of an agent that uses this model."""
        try:
            return AgentSettings(role="DEV", llm=self._llm(), system_prompt=self.system_prompt)
        except InvalidRequest as error:
            raise LLMConfigError(str(error).removeprefix("agent.llm.")) from None

    def _llm(self) -> LLMSettings:
        return LLMSettings(
            provider=self.provider,
            model=self.model,
            endpoint=self.api_base or PROVIDERS[self.provider].api_base or "",
            api_key_file=KEY_FILE if self.api_key else None,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            timeout_seconds=self.timeout,
            max_retries=self.max_retries,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            stream=self.stream,
            retry_delay_seconds=self.retry_delay,
            api_version=self.api_version,
            cache=CacheSettings(self.enable_caching, self.cache_ttl),
            rate_limit=RateLimit(self.rate_limit_requests_per_minute, self.rate_limit_tokens_per_minute),
            logging=LLMLogging(self.log_requests, self.log_responses, self.log_tokens),
            structured_output=cast(StructuredOutput, self.structured_output),
            reasoning=ReasoningSettings(self.reasoning_effort, self.reasoning_max_tokens),
            extra_body=self.extra_body,
        )


_configured: Final[dict[str, LLMConfig]] = {}


def configure_llm_openai(
    api_key: str, model: str = "gpt-4o", max_tokens: int = 1024, temperature: float = 0.7, **settings: Any
) -> LLMConfig:
    """Configure OpenAI for all cores that this process initialises later. The environment is then ignored.

    ``settings`` are further fields of ``LLMConfig``.
    """
    config = LLMConfig(
        provider="openai", api_key=api_key, model=model, max_tokens=max_tokens, temperature=temperature, **settings
    )
    _configured["llm"] = config
    return config


def configured_llm() -> LLMConfig | None:
    """Return the configuration from code, or None."""
    return _configured.get("llm")


def read_llm_config(environ: Mapping[str, str]) -> LLMConfig:
    """Read the configuration from the environment.

    Raises:
        LLMConfigError: The message names the variable.
    """
    found = {name: environ[name].strip() for name in VARIABLES if environ.get(name, "").strip()}
    values: dict[str, Any] = {VARIABLES[name][0]: VARIABLES[name][1](name, text) for name, text in found.items()}
    provider = PROVIDERS.get(values.get("provider", LLMConfig.provider))
    key = environ.get(provider.key_variable, "").strip() if provider else ""
    try:
        return LLMConfig(api_key=key or None, **values)
    except LLMConfigError as error:
        raise LLMConfigError(_named(str(error))) from None


def environment_without_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the configuration that are set. API keys are not among them."""
    return {name: environ[name] for name in VARIABLES if environ.get(name, "").strip()}


def unread_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the names of the ``LLM_*`` variables that are set and have no effect."""
    provider = PROVIDERS.get(environ.get("LLM_PROVIDER", "").strip() or LLMConfig.provider)
    read = set(VARIABLES) | ({provider.key_variable} if provider else set())
    return sorted(name for name, text in environ.items() if name.startswith("LLM_") and text and name not in read)


def _text(_: str, text: str) -> str:
    return text


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise LLMConfigError(f"{name}: {text!r} is not a whole number") from None


def _number(name: str, text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = float("nan")
    if not isfinite(found):
        raise LLMConfigError(f"{name}: {text!r} is not a number")
    return found


def _switch(name: str, text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise LLMConfigError(f"{name}: {text!r} is neither true nor false")
    return text.lower() in _TRUE


def _object(name: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise LLMConfigError(f"{name}: is not a JSON object")
    return found


def _named(message: str) -> str:
    """Replace the name of the setting in a message by the name of its variable."""
    setting, _, rest = message.partition(" ")
    return f"{_NAMES.get(setting, f'LLM_{setting.upper()}')} {rest}" if setting.islower() else message


VARIABLES: Final[Mapping[str, tuple[str, Callable[[str, str], Any]]]] = {
    "LLM_PROVIDER": ("provider", _text),
    "LLM_MODEL": ("model", _text),
    "LLM_API_BASE": ("api_base", _text),
    "LLM_API_VERSION": ("api_version", _text),
    "LLM_MAX_TOKENS": ("max_tokens", _integer),
    "LLM_TEMPERATURE": ("temperature", _number),
    "LLM_TOP_P": ("top_p", _number),
    "LLM_FREQUENCY_PENALTY": ("frequency_penalty", _number),
    "LLM_PRESENCE_PENALTY": ("presence_penalty", _number),
    "LLM_TIMEOUT": ("timeout", _number),
    "LLM_MAX_RETRIES": ("max_retries", _integer),
    "LLM_RETRY_DELAY": ("retry_delay", _number),
    "LLM_STREAM": ("stream", _switch),
    "LLM_RATE_LIMIT_REQUESTS_PER_MINUTE": ("rate_limit_requests_per_minute", _integer),
    "LLM_RATE_LIMIT_TOKENS_PER_MINUTE": ("rate_limit_tokens_per_minute", _integer),
    "LLM_ENABLE_CACHING": ("enable_caching", _switch),
    "LLM_CACHE_TTL": ("cache_ttl", _number),
    "LLM_LOG_REQUESTS": ("log_requests", _switch),
    "LLM_LOG_RESPONSES": ("log_responses", _switch),
    "LLM_LOG_TOKENS": ("log_tokens", _switch),
    "LLM_SYSTEM_PROMPT": ("system_prompt", _text),
    "LLM_STRUCTURED_OUTPUT": ("structured_output", _text),
    "LLM_REASONING_EFFORT": ("reasoning_effort", _text),
    "LLM_REASONING_MAX_TOKENS": ("reasoning_max_tokens", _integer),
    "LLM_EXTRA_BODY": ("extra_body", _object),
}
"""Field of ``LLMConfig`` that each variable sets, and parser of its text."""
