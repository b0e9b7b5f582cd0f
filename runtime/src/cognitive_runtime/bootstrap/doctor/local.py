"""What the doctor sees on its own machine: settings, folders and secrets."""

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
    """Look at the variables of the runtime, but for the broker's."""
    level = (settings.environ.get("LOG_LEVEL") or "INFO").upper()
    if level not in _LEVELS:
        return failed(f"LOG_LEVEL is {level!r}", f"set it to one of {', '.join(_LEVELS)}, or unset it")
    for name, path in (("COGNITIVE_SECRETS_DIR", settings.secrets_dir), ("COGNITIVE_SPOOL_DIR", settings.spool_dir)):
        if not path.is_absolute():
            return failed(f"{name} is {str(path)!r}, which depends on where a process starts", "give an absolute path")
    return passed(f"secrets in {settings.secrets_dir}, spool in {settings.spool_dir}, logs at {level}")


async def check_spool(settings: DoctorSettings) -> Finding:
    """Look whether responses that cannot be published could be kept."""
    folder = settings.spool_dir
    try:
        await asyncio.to_thread(_write_and_delete, folder)
    except OSError as error:
        hint = "workers keep there what they cannot publish: make it a folder that the user of Ray's workers can write"
        return failed(f"{folder} cannot be written: {os.strerror(error.errno or 0)}", hint)
    return passed(f"{folder} can be written")


async def check_llm_settings(settings: DoctorSettings) -> Finding:
    """Look at the ``LLM_*`` variables, which programs without a cluster are configured by."""
    if not settings.names_a_model:
        return skipped("no LLM_* variable is set; agents bring their settings with each request")
    try:
        config = read_llm_config(settings.environ)
    except LLMConfigError as error:
        return failed(str(error), LLM_HINT)
    unread = unread_variables(settings.environ)
    note = f"; without effect: {', '.join(unread)}" if unread else ""
    return passed(f"model {config.model} of {config.provider}{note}")


async def check_secrets(settings: DoctorSettings) -> Finding:
    """Look at the agent's files on this machine: are they there, and is something in them."""
    if settings.secrets is None:
        return skipped("the secrets of no agent are asked for", "give --namespace and --agent-uid")
    return await asyncio.to_thread(_examine_files, settings.secrets, settings.needed_files)


def _examine_files(secrets: SecretFiles, needed: tuple[str, ...]) -> Finding:
    present = sorted(path.name for path in _files(secrets.folder))
    missing = secrets.missing(dict.fromkeys([*needed, *present]))
    if missing:
        hint = f"mount the agent's Secret at {secrets.folder} on every node of Ray, readable for its workers"
        return failed(f"absent, empty or unreadable in {secrets.folder}: {', '.join(missing)}", hint)
    if not present:
        return passed(f"{secrets.folder} holds no file, and none was named as needed (--require-secret)")
    return passed(f"in {secrets.folder}: {', '.join(present)}")


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file() and not path.name.startswith("..")]
    except OSError:
        return []


def _write_and_delete(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    trial = folder / f".doctor-{uuid4().hex}"
    trial.write_bytes(b"doctor")
    trial.unlink()
