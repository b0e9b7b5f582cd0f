"""Installs KubeRay from its released manifests."""

import json
import tempfile
from pathlib import Path

from controlplane import Kubectl
from controlplane.gobuild import GoBuildError, find_go
from controlplane.progress import step
from kind_demo.commands import CommandError, KindDemoError, run

VERSION = "v1.6.1"
MODULE = "github.com/ray-project/kuberay/ray-operator"
"""Go module with the released manifests; `go mod download` verifies them with Go's checksum database."""
NAMESPACE = "default"
"""Namespace in the manifests."""
DEPLOYMENT = "deployment/kuberay-operator"
INSTALL_MANUALLY = """cannot download KubeRay {version}: {error}
Install it yourself, then run this again:

  helm install kuberay-operator kuberay-operator --repo https://ray-project.github.io/kuberay-helm --version {number}"""


def ensure_kuberay(kubectl: Kubectl) -> None:
    """Install KubeRay if the cluster does not have it.

    Raises:
        KindDemoError: The manifests cannot be downloaded.
        KubectlError: The cluster rejects the manifests.
    """
    if kubectl("get", "crd", "rayclusters.ray.io", "--ignore-not-found"):
        return
    with step(f"Installing KubeRay {VERSION}"):
        manifests = kubectl("kustomize", str(_manifests()))
        kubectl("apply", "--server-side", "-f", "-", stdin=manifests)


def wait_for_kuberay(kubectl: Kubectl) -> None:
    """Wait until the KubeRay of ``ensure_kuberay`` is ready; does not wait for a KubeRay installed in another way."""
    namespaced = kubectl.within(NAMESPACE)
    if namespaced("get", DEPLOYMENT, "--ignore-not-found"):
        namespaced("rollout", "status", DEPLOYMENT, "--timeout=50s")


def _manifests() -> Path:
    with tempfile.TemporaryDirectory() as folder:
        try:
            module = run([find_go(), "-C", folder, "mod", "download", "-json", f"{MODULE}@{VERSION}"], timeout_s=300)
        except (CommandError, GoBuildError) as error:
            number = VERSION.removeprefix("v")
            raise KindDemoError(INSTALL_MANUALLY.format(version=VERSION, number=number, error=error)) from error
    return Path(json.loads(module)["Dir"]) / "config" / "default"
