"""Installs KubeRay's operator, as its release has it."""

import json
import tempfile
from pathlib import Path

from controlplane import Kubectl
from controlplane.gobuild import GoBuildError, find_go
from controlplane.progress import step
from kind_demo.commands import CommandError, KindDemoError, run

VERSION = "v1.6.1"
MODULE = "github.com/ray-project/kuberay/ray-operator"
"""Go fetches the released manifests, and compares them with Go's database of checksums."""
NAMESPACE = "default"
"""Where the manifests put it."""
DEPLOYMENT = "deployment/kuberay-operator"
BY_HAND = """KubeRay {version} cannot be fetched: {said}
Install it yourself, then try again:

  helm install kuberay-operator kuberay-operator --repo https://ray-project.github.io/kuberay-helm --version {number}"""


def ensure_kuberay(kubectl: Kubectl) -> None:
    """Install KubeRay where there is none.

    Raises:
        KindDemoError: it can be had nowhere.
        KubectlError: the cluster refuses it, or it does not start.
    """
    if kubectl("get", "crd", "rayclusters.ray.io", "--ignore-not-found"):
        return
    with step(f"Installing KubeRay {VERSION}"):
        manifests = kubectl("kustomize", str(_manifests()))
        kubectl("apply", "--server-side", "-f", "-", stdin=manifests)


def wait_for_kuberay(kubectl: Kubectl) -> None:
    """Wait until the operator that ``ensure_kuberay`` may have installed works; another's is left to others."""
    place = kubectl.within(NAMESPACE)
    if place("get", DEPLOYMENT, "--ignore-not-found"):
        place("rollout", "status", DEPLOYMENT, "--timeout=50s")


def _manifests() -> Path:
    with tempfile.TemporaryDirectory() as folder:
        try:
            said = run([find_go(), "-C", folder, "mod", "download", "-json", f"{MODULE}@{VERSION}"], timeout_s=300)
        except (CommandError, GoBuildError) as error:
            number = VERSION.removeprefix("v")
            raise KindDemoError(BY_HAND.format(version=VERSION, number=number, said=error)) from error
    return Path(json.loads(said)["Dir"]) / "config" / "default"
