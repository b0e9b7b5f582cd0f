"""Checks of the local machine: settings, folders and secrets."""

import asyncio
import os
from pathlib import Path
from typing import Final
from uuid import uuid4

from cognitive_runtime.adapters.secrets import SecretFiles
from cognitive_runtime.bootstrap.doctor.settings import DoctorSettings
from cognitive_runtime.domain.finding import Finding, failed, passed, skipped
from cognitive_runtime.llm_config import LLMConfigError, read_llm_config, unread_variables

LLM_HINT: Final = "docs/reference/library.md lists every variable with its range and default"
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


async def check_environment(settings: DoctorSettings) -> Finding:
    """Check the environment variables of the runtime, except the broker's."""
    level = (settings.environ.get("LOG_LEVEL") or "INFO").upper()
    if level not in _LEVELS:
        return failed(f"LOG_LEVEL is {level!r}", f"set it to one of {', '.join(_LEVELS)}, or unset it")
    for name, path in (("COGNITIVE_SECRETS_DIR", settings.secrets_dir), ("COGNITIVE_SPOOL_DIR", settings.spool_dir)):
        if not path.is_absolute():
            return failed(f"{name} is {str(path)!r}, a path relative to the working directory", "give an absolute path")
    return passed(f"secrets in {settings.secrets_dir}, spool in {settings.spool_dir}, logs at {level}")


async def check_spool(settings: DoctorSettings) -> Finding:
    """Check that unpublished responses can be spooled."""
    folder = settings.spool_dir
    try:
        await asyncio.to_thread(_write_and_delete, folder)
    except OSError as error:
        hint = "workers spool unpublished responses there: make the folder writable for the user of the Ray workers"
        return failed(f"{folder} cannot be written: {os.strerror(error.errno or 0)}", hint)
    return passed(f"{folder} can be written")


async def check_llm_settings(settings: DoctorSettings) -> Finding:
    """Check the ``LLM_*`` variables, which configure programs without a cluster."""
    if not settings.names_a_model:
        return skipped("no LLM_* variable is set; the requests of agents contain their settings")
    try:
        config = read_llm_config(settings.environ)
    except LLMConfigError as error:
        return failed(str(error), LLM_HINT)
    unread = unread_variables(settings.environ)
    note = f"; without effect: {', '.join(unread)}" if unread else ""
    return passed(f"model {config.model} of {config.provider}{note}")


async def check_secrets(settings: DoctorSettings) -> Finding:
    """Check that the agent's secret files exist on this machine and are not empty."""
    if settings.secrets is None:
        return skipped("no agent is given", "give --namespace and --agent-uid")
    return await asyncio.to_thread(_check_files, settings.secrets, settings.needed_files)


def _check_files(secrets: SecretFiles, needed: tuple[str, ...]) -> Finding:
    present = sorted(secrets.files())
    missing = secrets.missing(dict.fromkeys([*needed, *present]))
    if missing:
        hint = (
            f"mount the agent's Secret at {secrets.folder}, or the Secret of its Ray cluster at {secrets.root}, "
            f"on every node of Ray, readable for its workers"
        )
        return failed(f"absent, empty or unreadable in {secrets.folder}: {', '.join(missing)}", hint)
    if not present:
        return passed(f"{secrets.folder} contains no file, and none is required (--require-secret)")
    return passed(f"in {secrets.folder}: {', '.join(present)}")


def _write_and_delete(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".doctor-{uuid4().hex}"
    probe.write_bytes(b"doctor")
    probe.unlink()
