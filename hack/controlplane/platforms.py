"""Which programs are needed, for which platform, and where they are kept."""

import platform
from pathlib import Path

KUBERNETES_VERSION = "v1.36.3"
"""The version that ``go.mod`` pins."""
SERVERS = ("etcd", "kube-apiserver", "kube-controller-manager")
PROGRAMS = (*SERVERS, "kubectl")

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def platform_name() -> str:
    """Return this machine's platform as Go writes it, with a dash: ``linux-amd64``."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"


def cache_directory() -> Path:
    """Return the folder for all that is downloaded or built."""
    return Path.home() / ".cache" / "cognitive-operator"


def programs_directory() -> Path:
    """Return the cache's folder for the Kubernetes programs of the pinned version."""
    return cache_directory() / f"kubernetes-{KUBERNETES_VERSION}-{platform_name()}"
