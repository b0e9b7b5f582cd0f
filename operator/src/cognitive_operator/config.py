"""The operator's settings, read from environment variables."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from cognitive_operator.errors import PermanentError

VERSION: Final = version("cognitive-operator")
MAX_TTL_S: Final = 2**31 - 1
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class ConfigError(PermanentError):
    """An environment variable has an invalid value; the message names the variable and the expected value."""


@dataclass(frozen=True)
class Config:
    """Settings of one operator process. No field holds a secret: credentials are read from files."""

    nats_url: str = "nats://127.0.0.1:4222"
    """``COGNITIVE_NATS_URL``: URL of the broker for the operator; several URLs are separated by commas."""
    nats_creds: str | None = None
    """``COGNITIVE_NATS_CREDS``: path of a NATS credentials file."""
    nats_accounts: Path | None = None
    """``COGNITIVE_NATS_ACCOUNTS``: folder with ``root.nk``, ``account.nk`` and ``system.creds`` from the command
    ``broker-keys``. Each agent then gets its own NATS account. None: agents share one account."""
    ray_nats_url: str = "nats://127.0.0.1:4222"
    """``COGNITIVE_RAY_NATS_URL``: URL of the broker for Ray's workers; the operator's URL by default."""
    peering: str | None = None
    """``COGNITIVE_PEERING``: name of the Lease in ``namespace`` by which operators elect a leader. None: no leader
    election, this operator is active while the API server answers."""
    take_over: str = ""
    """``COGNITIVE_TAKE_OVER``: identity of another installation whose streams become this one's; empty: none."""
    otlp_endpoint: str | None = None
    """``OTEL_EXPORTER_OTLP_ENDPOINT``: URL of the OpenTelemetry collector, OTLP over HTTP; None: no traces. The other
    ``OTEL_EXPORTER_OTLP_*`` variables have OpenTelemetry's meaning."""
    ray_otlp_endpoint: str | None = None
    """``COGNITIVE_RAY_OTLP_ENDPOINT``: URL of the collector for Ray's workers; the operator's URL by default."""
    namespace: str = "default"
    """``COGNITIVE_NAMESPACE``: namespace of the operator's signing key and Lease; its pod's namespace by default."""
    watch_namespaces: tuple[str, ...] = ()
    """``COGNITIVE_WATCH_NAMESPACES``: the namespaces to watch, separated by commas; empty: all namespaces."""
    signing_secret: str = "cognitive-operator-signing-key"
    """``COGNITIVE_SIGNING_SECRET``: name of the Secret with the signing key; created if it does not exist."""
    ttl_s: int = 86_400
    """``COGNITIVE_TTL_SECONDS_AFTER_FINISHED``: seconds until a finished task is deleted, if neither the task nor its
    agent sets ``ttlSecondsAfterFinished``."""
    health_port: int = 8080
    """``COGNITIVE_HEALTH_PORT``: port of ``/healthz``; 0: no health endpoint."""
    metrics_port: int = 8081
    """``COGNITIVE_METRICS_PORT``: port of ``/metrics`` for Prometheus; 0: no metrics endpoint."""
    runtime_image: str = f"seedcore/cognitive-runtime:{VERSION}"
    """``COGNITIVE_RUNTIME_IMAGE``: image for the pods of managed Ray clusters whose agent sets no image."""
    ray_jobs: int = 8
    """``COGNITIVE_RAY_JOBS``: maximum concurrent attempts in Job mode per Ray cluster, 1 to 10000."""
    ray_tasks: int | None = None
    """``COGNITIVE_RAY_TASKS``: maximum concurrent attempts of warm executors per Ray cluster, 1 to 100000; None: no
    limit."""
    namespace_queued_tasks: int = 25_000
    """``COGNITIVE_NAMESPACE_QUEUED_TASKS``: maximum number of tasks that wait in the queues of one namespace, 1 to
    1000000. A waiting task takes at least 11 kB of memory (measured): 25,000 fit into the chart's limit of 512 MiB."""
    log_level: str = "INFO"
    """``LOG_LEVEL``: DEBUG, INFO, WARNING or ERROR."""


def config_from(environ: Mapping[str, str] = os.environ) -> Config:
    """Return the settings from the environment.

    Raises:
        ConfigError: A variable has an invalid value. Do not retry.
    """
    nats_url = _nats_url("COGNITIVE_NATS_URL", environ.get("COGNITIVE_NATS_URL", Config.nats_url))
    otlp_endpoint = _otlp_url("OTEL_EXPORTER_OTLP_ENDPOINT", environ)
    return Config(
        nats_url=nats_url,
        nats_creds=environ.get("COGNITIVE_NATS_CREDS") or None,
        nats_accounts=_path("COGNITIVE_NATS_ACCOUNTS", environ),
        ray_nats_url=_nats_url("COGNITIVE_RAY_NATS_URL", environ.get("COGNITIVE_RAY_NATS_URL", nats_url)),
        peering=environ.get("COGNITIVE_PEERING") or None,
        take_over=environ.get("COGNITIVE_TAKE_OVER", ""),
        otlp_endpoint=otlp_endpoint,
        ray_otlp_endpoint=_otlp_url("COGNITIVE_RAY_OTLP_ENDPOINT", environ) or otlp_endpoint,
        namespace=environ.get("COGNITIVE_NAMESPACE") or _pod_namespace(),
        watch_namespaces=_namespaces("COGNITIVE_WATCH_NAMESPACES", environ),
        signing_secret=environ.get("COGNITIVE_SIGNING_SECRET", Config.signing_secret),
        ttl_s=_number("COGNITIVE_TTL_SECONDS_AFTER_FINISHED", environ, Config.ttl_s, MAX_TTL_S, "seconds"),
        health_port=_port("COGNITIVE_HEALTH_PORT", environ, Config.health_port),
        metrics_port=_port("COGNITIVE_METRICS_PORT", environ, Config.metrics_port),
        runtime_image=environ.get("COGNITIVE_RUNTIME_IMAGE") or Config.runtime_image,
        ray_jobs=_limit("COGNITIVE_RAY_JOBS", environ, 10_000) or Config.ray_jobs,
        ray_tasks=_limit("COGNITIVE_RAY_TASKS", environ, 100_000),
        namespace_queued_tasks=_limit("COGNITIVE_NAMESPACE_QUEUED_TASKS", environ, 1_000_000)
        or Config.namespace_queued_tasks,
        log_level=_log_level(environ.get("LOG_LEVEL", Config.log_level)),
    )


def _nats_url(variable: str, value: str) -> str:
    for url in value.split(","):
        if not re.fullmatch(r"(nats|tls)://[A-Za-z0-9.\-\[\]:]+", url.strip()):
            raise ConfigError(
                f"{variable}: expected nats://HOST:PORT or tls://HOST:PORT without credentials "
                "(put credentials into the file named by COGNITIVE_NATS_CREDS)"
            )
    return value


def _path(variable: str, environ: Mapping[str, str]) -> Path | None:
    return Path(environ[variable]) if environ.get(variable) else None


def _otlp_url(variable: str, environ: Mapping[str, str]) -> str | None:
    value = environ.get(variable, "")
    if value and not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+(/[^?#]*)?", value):
        raise ConfigError(
            f"{variable}: expected http://HOST:PORT or https://HOST:PORT without credentials "
            "(put credentials into OTEL_EXPORTER_OTLP_HEADERS)"
        )
    return value or None


def _namespaces(variable: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    names = [name.strip() for name in environ.get(variable, "").split(",")]
    for name in filter(None, names):
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
            raise ConfigError(f"{variable}: {name!r} is not a valid namespace name")
    return tuple(sorted({*filter(None, names)}))


def _port(variable: str, environ: Mapping[str, str], default: int) -> int:
    return _number(variable, environ, default, 65535, "a port")


def _number(variable: str, environ: Mapping[str, str], default: int, maximum: int, unit: str) -> int:
    text = environ.get(variable, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= maximum):
        raise ConfigError(f"{variable}={text!r}: expected {unit} from 0 to {maximum}")
    return int(text)


def _limit(variable: str, environ: Mapping[str, str], maximum: int) -> int | None:
    text = environ.get(variable, "")
    if text and not (text.isdigit() and 1 <= int(text) <= maximum):
        raise ConfigError(f"{variable}={text!r}: expected a number from 1 to {maximum}")
    return int(text) if text else None


def _log_level(text: str) -> str:
    if text.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ConfigError(f"LOG_LEVEL={text!r}: expected DEBUG, INFO, WARNING or ERROR")
    return text.upper()


def _pod_namespace() -> str:
    return NAMESPACE_FILE.read_text().strip() if NAMESPACE_FILE.exists() else Config.namespace
