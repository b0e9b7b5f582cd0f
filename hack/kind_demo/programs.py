"""Checks that the programs that the demo requirements are installed."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from controlplane.binaries import find_installed
from controlplane.gobuild import GoBuildError, find_go, required_go
from helm import find_helm
from kind_demo.commands import CommandError, KindDemoError, run
from kind_demo.kind import find_kind
from kind_demo.settings import Settings

DOCKER = "docker: runs the cluster's node and builds the images (https://docs.docker.com/get-docker/)"
KUBECTL = "kubectl: https://kubernetes.io/docs/tasks/tools/"


@dataclass(frozen=True)
class Requirement:
    """A requirement with instructions for the user if it is not met."""

    is_met: bool
    advice: str


def check_programs(settings: Settings) -> Path:
    """Return the path of kubectl.

    Raises:
        KindDemoError: Programs are missing; the message lists all of them.
    """
    kubectl = find_installed(["kubectl"]).get("kubectl")
    requirements = [Requirement(kubectl is not None, KUBECTL), _go(settings)]
    if settings.context is None:
        requirements.append(_docker())
    if missing := [requirement.advice for requirement in requirements if not requirement.is_met]:
        raise KindDemoError("missing:\n" + "\n".join(f"  - {advice}" for advice in missing))
    assert kubectl is not None
    return kubectl


def _docker() -> Requirement:
    if shutil.which("docker") is None:
        return Requirement(False, DOCKER)
    try:
        run(["docker", "version", "--format", "{{.Server.Version}}"], timeout_s=60)
    except CommandError as error:
        return Requirement(False, f"a running docker daemon: start it (docker's error: {error})")
    return Requirement(True, "")


def _go(settings: Settings) -> Requirement:
    """Require Go if helm or kind is neither installed nor in the cache."""
    is_kind_missing = settings.context is None and find_kind() is None
    parts = [name for name, is_missing in (("helm", find_helm() is None), ("kind", is_kind_missing)) if is_missing]
    try:
        find_go()
    except GoBuildError:
        advice = f"go {required_go()} or newer (https://go.dev/dl/), to build {' and '.join(parts)}"
        return Requirement(not parts, advice)
    return Requirement(True, "")
