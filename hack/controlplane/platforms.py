"""Names, version, platform and directories of the Kubernetes programs."""

import platform
from pathlib import Path

KUBERNETES_VERSION = "v1.36.3"
"""The version pinned by ``go.mod``."""
SERVERS = ("etcd", "kube-apiserver", "kube-controller-manager")
PROGRAMS = (*SERVERS, "kubectl")

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def platform_name() -> str:
    """Return this machine's platform in Go's terms, joined by a dash: ``linux-amd64``."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"


def cache_directory() -> Path:
    """Return the directory of everything that is downloaded or built."""
    return Path.home() / ".cache" / "cognitive-operator"


def programs_directory() -> Path:
    """Return the cache directory of the Kubernetes programs in the pinned version."""
    return cache_directory() / f"kubernetes-{KUBERNETES_VERSION}-{platform_name()}"
