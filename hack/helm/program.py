"""Finds or builds helm, and runs it."""

import fcntl
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from controlplane.gobuild import GoBuildError, Program, build_program, find_go
from controlplane.platforms import KUBERNETES_VERSION, cache_directory, platform_name
from controlplane.progress import step
from servers.errors import ServerMissingError

MODULE = Path(__file__).parent
PACKAGE = "helm.sh/helm/v3/cmd/helm"
PROGRAM_VARIABLE = "HELM"
TIMEOUT_S = 420.0


class HelmError(Exception):
    """Helm failed; the message is its error output."""


def helm_version() -> str:
    """Return the helm version pinned by ``go.mod``."""
    found = re.search(r"helm\.sh/helm/v3 (v\S+)", (MODULE / "go.mod").read_text(encoding="utf-8"))
    assert found is not None, "go.mod does not pin helm"
    return found.group(1)


def find_helm() -> Path | None:
    """Return the path of helm from ``$HELM``, else from the cache; None if it does not exist."""
    named = os.environ.get(PROGRAM_VARIABLE)
    program = Path(named) if named else _cached()
    return program if os.access(program, os.X_OK) else None


def get_helm() -> Path:
    """Return the path of helm; build it into the cache if it is missing.

    Raises:
        ServerMissingError: The build failed.
    """
    if (found := find_helm()) is not None:
        return found
    target = _cached().parent
    target.mkdir(parents=True, exist_ok=True)
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            with step(f"Building helm {helm_version()} from source, once"):
                return build_program(find_go(), Program("helm", PACKAGE, MODULE, _linker_flags()), target)
        except GoBuildError as error:
            raise ServerMissingError(
                f"cannot build helm: {error}; or set {PROGRAM_VARIABLE} to the path of an installed helm"
            ) from error


@dataclass(frozen=True)
class Helm:
    """Helm for one cluster; without a kubeconfig only for rendering."""

    program: Path
    kubeconfig: Path | None = None

    def __call__(self, *arguments: str) -> str:
        """Run helm and return its standard output.

        Raises:
            HelmError: Helm failed.
        """
        env = {**os.environ, **({} if self.kubeconfig is None else {"KUBECONFIG": str(self.kubeconfig)})}
        done = subprocess.run(
            [str(self.program), *arguments], env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        if done.returncode != 0:
            raise HelmError((done.stderr or done.stdout).strip())
        return done.stdout

    def render(self, chart: Path, *arguments: str, release: str = "cognitive-operator") -> list[dict[str, Any]]:
        """Return the objects of the rendered chart, including hooks.

        Raises:
            HelmError: The values are invalid, or a template fails.
        """
        version = f"--kube-version={KUBERNETES_VERSION}"
        text = self("template", release, str(chart), "--namespace=cognitive-system", version, *arguments)
        return [found for found in yaml.safe_load_all(text) if found]


def _cached() -> Path:
    return cache_directory() / f"helm-{helm_version()}-{platform_name()}" / "helm"


def _linker_flags() -> str:
    """Return linker flags that set helm's version and the Kubernetes version for rendering without a cluster."""
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    chartutil = "helm.sh/helm/v3/pkg/chartutil"
    values = {
        "helm.sh/helm/v3/internal/version.version": helm_version(),
        f"{chartutil}.k8sVersionMajor": major,
        f"{chartutil}.k8sVersionMinor": minor,
    }
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in values.items())])
