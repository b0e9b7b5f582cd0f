"""Settings of the doctor."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cognitive_runtime.adapters.secrets import SecretFiles
from cognitive_runtime.config import DEFAULT_SECRETS_DIR, DEFAULT_SPOOL_DIR
from cognitive_runtime.domain import ModelEndpoint
from cognitive_runtime.llm_config import PROVIDERS, read_llm_config

GROUPS: Final = ("configuration", "secrets", "model", "broker", "ray")
DEFAULT_RAY_ADDRESS: Final = "http://127.0.0.1:8265"
_KEY_VARIABLES: Final = tuple(sorted({provider.key_variable for provider in PROVIDERS.values()}))
_LEAST_SECRET_CHARACTERS: Final = 4


@dataclass(frozen=True)
class Target:
    """Model to check, with its API key."""

    endpoint: ModelEndpoint
    key: str | None = field(default=None, repr=False)
    """API key from the environment; None: the key is in a secret file."""


@dataclass(frozen=True)
class DoctorSettings:
    """Settings from the command line and the environment."""

    environ: Mapping[str, str] = field(repr=False)
    namespace: str | None = None
    agent_uid: str | None = None
    required_secrets: tuple[str, ...] = ()
    asked_model: ModelEndpoint | None = None
    """Model from the command line; None: the model of the ``LLM_*`` variables."""
    nats_url: str | None = None
    ray_address: str = DEFAULT_RAY_ADDRESS
    infers: bool = False
    only: frozenset[str] = frozenset(GROUPS)
    as_json: bool = False
    model_deadline_s: float = 10.0
    """Time limit for reaching the model's endpoint."""

    @property
    def broker_url(self) -> str:
        """URL of the broker, or an empty string."""
        return self.nats_url or self.environ.get("COGNITIVE_NATS_URL", "").strip()

    @property
    def secrets_dir(self) -> Path:
        """Folder of all agents' secrets."""
        return Path(self.environ.get("COGNITIVE_SECRETS_DIR") or DEFAULT_SECRETS_DIR)

    @property
    def spool_dir(self) -> Path:
        """Folder of unpublished responses."""
        return Path(self.environ.get("COGNITIVE_SPOOL_DIR") or DEFAULT_SPOOL_DIR)

    @property
    def secrets(self) -> SecretFiles | None:
        """Secrets of the agent, or None without an agent."""
        return SecretFiles(self.secrets_dir, self.agent_uid) if self.agent_uid else None

    @property
    def needed_files(self) -> tuple[str, ...]:
        """Secret files that must exist."""
        key_file = self.asked_model.api_key_file if self.asked_model else None
        return tuple(dict.fromkeys([*self.required_secrets, *([key_file] if key_file else [])]))

    @property
    def names_a_model(self) -> bool:
        """True if the environment configures a model."""
        return any(text for name, text in self.environ.items() if name.startswith("LLM_") or name in _KEY_VARIABLES)

    def model(self) -> Target | None:
        """Return the model to check, or None.

        Raises:
            LLMConfigError: The environment's configuration is invalid.
        """
        if self.asked_model:
            return Target(self.asked_model)
        if not self.names_a_model:
            return None
        config = read_llm_config(self.environ)
        return Target(config.settings().llm.endpoints[0], config.api_key)

    def secret_texts(self) -> list[str]:
        """Return all secrets, from the environment, the secret files and the broker's URL."""
        files = list(self.secrets.files().values()) if self.secrets else []
        found = [self.environ.get(name, "").strip() for name in _KEY_VARIABLES]
        found += [_text(path) for path in files]
        found += [urlsplit(url).password or "" for url in self.broker_url.split(",")]
        lines = {line.strip() for text in found for line in text.splitlines()}
        return sorted((each for each in lines if len(each) >= _LEAST_SECRET_CHARACTERS), key=len, reverse=True)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
