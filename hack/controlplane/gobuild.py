"""Builds programs from the Go modules pinned by ``go.mod``."""

import os
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from controlplane.platforms import KUBERNETES_VERSION
from controlplane.progress import step
from servers.errors import ServerError
from servers.process import ChildProcess, Command, environment

MODULE = Path(__file__).parent
BUILD_TIMEOUT_S = 3600.0
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
INSTALL_DIRECTORIES = ("/usr/local/go/bin", "/usr/lib/go/bin", "/opt/homebrew/bin")


class GoBuildError(Exception):
    """A program cannot be built; the message names the cause."""


@dataclass(frozen=True)
class Program:
    """A program of a Go module."""

    name: str
    package: str
    module: Path
    """Directory of the go.mod that pins the program."""
    linker_flags: str = "-s -w"


def build_programs(names: Collection[str], into: Path) -> dict[str, Path]:
    """Build programs one after another and return their paths.

    Raises:
        GoBuildError: Go is not installed, or a build failed.
    """
    go = find_go()
    built: dict[str, Path] = {}
    for number, name in enumerate(sorted(names), 1):
        with step(f"Building {name} from source, once ({number} of {len(names)})"):
            built[name] = build_program(go, Program(name, PACKAGES[name], MODULE, _linker_flags()), into)
    return built


def find_go() -> str:
    """Return the path of the go command.

    Raises:
        GoBuildError: Go is not installed.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *INSTALL_DIRECTORIES])
    found = shutil.which("go", path=path)
    if found is None:
        raise GoBuildError("`go` is not on the PATH")
    return found


def required_go() -> str:
    """Return the Go version that the pinned modules require."""
    lines = (MODULE / "go.mod").read_text(encoding="utf-8").splitlines()
    return next(line.split()[1] for line in lines if line.startswith("go "))


def build_program(go: str, program: Program, into: Path) -> Path:
    """Build one program and return its path.

    Raises:
        GoBuildError: The build failed.
    """
    name, log = program.name, into / f"{program.name}.build.log"
    log.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=into) as folder:
        argv = [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", program.linker_flags]
        argv += ["-o", f"{folder}/{name}", program.package]
        command = Command(f"go build {name}", argv, log, environment(CGO_ENABLED="0"), program.module)
        if _run(command) != 0:
            raise GoBuildError(f"`go build {program.package}` failed:\n{_tail(log)}")
        os.replace(f"{folder}/{name}", into / name)
    log.unlink(missing_ok=True)
    return into / name


def _run(command: Command) -> int:
    try:
        process = ChildProcess(command)
        try:
            return process.wait(BUILD_TIMEOUT_S)
        finally:
            process.stop(grace_s=1)
    except ServerError as error:
        raise GoBuildError(str(error)) from error


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])


def _linker_flags() -> str:
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    version = "k8s.io/component-base/version"
    values = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s", "-w", *(f"-X {version}.{key}={value}" for key, value in values.items())])
