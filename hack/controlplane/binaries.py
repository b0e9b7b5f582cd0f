"""Finds the Kubernetes programs, or gets them: downloaded where that is possible, else built."""

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
    """Return the path of each program, from the first of these that has it.

    ``KUBEBUILDER_ASSETS``, the cache, the PATH (kubectl alone), the upstream envtest archive, ``go build``.

    Raises:
        ServerMissingError: one can be had nowhere; names each place and what it said.
    """
    found = find_installed(names)
    if missing := [name for name in names if name not in found]:
        found.update(_get(missing))
    return found


def find_installed(names: Collection[str] = PROGRAMS) -> dict[str, Path]:
    """Return the programs that need neither download nor build."""
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
    with _alone():
        found = _programs_in(target, missing)
        said: dict[str, str] = {}
        try:
            found.update(download_programs(_rest(missing, found), target))
        except EnvtestError as error:
            said["the envtest archive"] = str(error)
        try:
            found.update(build_programs(_rest(missing, found), target) if _rest(missing, found) else {})
        except GoBuildError as error:
            said["go build"] = str(error)
    if rest := _rest(missing, found):
        raise ServerMissingError(_advice(rest, said))
    return found


def _rest(names: Collection[str], found: Mapping[str, Path]) -> list[str]:
    return [name for name in names if name not in found]


def _advice(missing: Collection[str], said: Mapping[str, str]) -> str:
    assets = os.environ.get(ASSETS_VARIABLE)
    places = {
        ASSETS_VARIABLE: f"{assets} does not hold them" if assets else "is not set",
        "the cache": f"{programs_directory()} does not hold them",
        **said,
    }
    tried = "\n".join(f"  {place}: {answer}" for place, answer in places.items())
    return (
        f"cannot get {', '.join(missing)}. Tried:\n{tried}\n"
        f"Install Go {required_go()} or newer (https://go.dev/dl/) and run this again, "
        f"or set {ASSETS_VARIABLE} to a folder that holds them."
    )


@contextmanager
def _alone() -> Iterator[None]:
    """Keep other processes from downloading or building the same at the same time."""
    with (cache_directory() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
