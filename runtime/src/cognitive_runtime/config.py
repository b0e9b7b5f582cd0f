"""Settings from the environment and the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT_SECRETS_DIR: Final = "/var/run/secrets/cognitive"
DEFAULT_SPOOL_DIR: Final = "/tmp/cognitive-spool"
DEFAULT_BROKER_WAIT_S: Final = 120.0
"""Longer than the 90 s in which a kubelet shows a new Secret in a pod."""


class ConfigError(ValueError):
    """A setting is missing or invalid; the message names it."""


@dataclass(frozen=True)
class RuntimeSettings:
    """Settings from the environment.

    The Ray job sets ``COGNITIVE_NATS_URL`` and ``COGNITIVE_SUBMISSION_ID``. The owner of the cluster sets the others,
    which can differ between nodes.
    """

    nats_url: str
    submission_id: str
    secrets_dir: Path = Path(DEFAULT_SECRETS_DIR)
    spool_dir: Path = Path(DEFAULT_SPOOL_DIR)
    log_level: str = "INFO"
    broker_wait_s: float = DEFAULT_BROKER_WAIT_S
    """Time for the first connection to the broker; without one, the process ends."""


@dataclass(frozen=True)
class ExecutorSettings:
    """Settings from the command line of an executor."""

    namespace: str
    agent_uid: str
    workers: int = 1
    concurrency: int = 4
    """Attempts that one worker runs at the same time."""
    required_secrets: tuple[str, ...] = ()
    """Secret files without which a worker takes no requests."""
    shared_quota: bool = False
    """True if the driver runs the quota actor, with which its workers share limits and cache."""
    grace_s: float = 2.0
    """Time for running attempts to end after SIGTERM. Ray kills the driver of a stopped job after 3 s."""


def read_settings(environ: Mapping[str, str]) -> RuntimeSettings:
    """Read the settings.

    Raises:
        ConfigError: A required variable is missing or empty, or a number is invalid.
    """
    return RuntimeSettings(
        nats_url=_required(environ, "COGNITIVE_NATS_URL"),
        submission_id=_required(environ, "COGNITIVE_SUBMISSION_ID"),
        secrets_dir=Path(environ.get("COGNITIVE_SECRETS_DIR") or DEFAULT_SECRETS_DIR),
        spool_dir=Path(environ.get("COGNITIVE_SPOOL_DIR") or DEFAULT_SPOOL_DIR),
        log_level=(environ.get("LOG_LEVEL") or "INFO").upper(),
        broker_wait_s=_seconds(environ, "COGNITIVE_BROKER_WAIT_S", DEFAULT_BROKER_WAIT_S),
    )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise ConfigError(f"{name} is not set; the operator sets it in the Ray job's runtime environment")
    return value


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, "").strip()
    try:
        found = float(text) if text else default
    except ValueError:
        found = -1.0
    if not 0 < found < float("inf"):
        raise ConfigError(f"{name} is {text!r}, expected a number of seconds above 0")
    return found
