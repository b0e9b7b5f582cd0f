"""Which programs the demo needs, and what to say of those that are missing."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from controlplane.binaries import find_installed
from controlplane.gobuild import GoBuildError, find_go, required_go
from helm import find_helm
from kind_demo.commands import CommandError, KindDemoError, run
from kind_demo.kind import find_kind
from kind_demo.settings import Settings

DOCKER = "docker: the cluster's node is one of its containers, and it builds the images (https://docs.docker.com/get-docker/)"
KUBECTL = "kubectl: https://kubernetes.io/docs/tasks/tools/"


@dataclass(frozen=True)
class Need:
    """Something that may be missing."""

    is_met: bool
    advice: str


def check_programs(settings: Settings) -> Path:
    """Return kubectl.

    Raises:
        KindDemoError: something is missing; names all of it.
    """
    kubectl = find_installed(["kubectl"]).get("kubectl")
    needs = [Need(kubectl is not None, KUBECTL), _go(settings)]
    if settings.context is None:
        needs.append(_docker())
    if missing := [need.advice for need in needs if not need.is_met]:
        raise KindDemoError("missing:\n" + "\n".join(f"  - {advice}" for advice in missing))
    assert kubectl is not None
    return kubectl


def _docker() -> Need:
    if shutil.which("docker") is None:
        return Need(False, DOCKER)
    try:
        run(["docker", "version", "--format", "{{.Server.Version}}"], timeout_s=60)
    except CommandError as error:
        return Need(False, f"a docker that answers: start it (it says: {error})")
    return Need(True, "")


def _go(settings: Settings) -> Need:
    """Go is asked for what is neither on this machine nor in the cache."""
    needs_kind = settings.context is None and find_kind() is None
    parts = [name for name, lacks in (("helm", find_helm() is None), ("kind", needs_kind)) if lacks]
    try:
        find_go()
    except GoBuildError:
        said = f"go {required_go()} or newer (https://go.dev/dl/), to build {' and '.join(parts)}"
        return Need(not parts, said)
    return Need(True, "")
