"""Finds the Kubernetes programs; downloads or builds missing ones."""

import fcntl
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from controlplane.envtest import EnvtestError, download_programs
from controlplane.gobuild import GoBuildError, build_programs, required_go
from controlplane.platforms import PROGRAMS, cache_directory, programs_directory
from servers.errors import ServerMissingError

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"


def find_programs(names: Collection[str] = PROGRAMS) -> dict[str, Path]:
    """Return the path of each program, from the first source that has it.

    The sources are ``KUBEBUILDER_ASSETS``, the cache, the PATH (only kubectl), the upstream envtest archive and
    ``go build``.

    Raises:
        ServerMissingError: No source has a program; the message lists the error of each source.
    """
    found = find_installed(names)
    if missing := [name for name in names if name not in found]:
        found.update(_get(missing))
    return found


def find_installed(names: Collection[str] = PROGRAMS) -> dict[str, Path]:
    """Return the programs that are already installed."""
    found: dict[str, Path] = {}
    for directory in _directories():
        found = {**_programs_in(directory, names), **found}
    on_path = shutil.which("kubectl") if "kubectl" in names else None
    return found if on_path is None else {"kubectl": Path(on_path), **found}


def _directories() -> list[Path]:
    assets = os.environ.get(ASSETS_VARIABLE)
    return [*([Path(assets)] if assets else []), programs_directory()]


def _programs_in(directory: Path, names: Collection[str]) -> dict[str, Path]:
    paths = {name: directory / name for name in names}
    return {name: path for name, path in paths.items() if path.is_file() and os.access(path, os.X_OK)}


def _get(missing: Collection[str]) -> dict[str, Path]:
    target = programs_directory()
    target.mkdir(parents=True, exist_ok=True)
    with _locked():
        found = _programs_in(target, missing)
        errors: dict[str, str] = {}
        try:
            found.update(download_programs(_rest(missing, found), target))
        except EnvtestError as error:
            errors["the envtest archive"] = str(error)
        try:
            found.update(build_programs(_rest(missing, found), target) if _rest(missing, found) else {})
        except GoBuildError as error:
            errors["go build"] = str(error)
    if rest := _rest(missing, found):
        raise ServerMissingError(_advice(rest, errors))
    return found


def _rest(names: Collection[str], found: Mapping[str, Path]) -> list[str]:
    return [name for name in names if name not in found]


def _advice(missing: Collection[str], errors: Mapping[str, str]) -> str:
    assets = os.environ.get(ASSETS_VARIABLE)
    sources = {
        ASSETS_VARIABLE: f"{assets} does not contain them" if assets else "is not set",
        "the cache": f"{programs_directory()} does not contain them",
        **errors,
    }
    tried = "\n".join(f"  {source}: {error}" for source, error in sources.items())
    return (
        f"cannot get {', '.join(missing)}. Tried:\n{tried}\n"
        f"Install Go {required_go()} or newer (https://go.dev/dl/) and run this again, "
        f"or set {ASSETS_VARIABLE} to a folder that contains them."
    )


@contextmanager
def _locked() -> Iterator[None]:
    """Hold a file lock, so that only one process downloads or builds at a time."""
    with (cache_directory() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
