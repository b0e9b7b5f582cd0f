"""``python -m kind_demo`` runs the demo on a cluster with pods; ``python -m kind_demo down`` deletes it.

Without ``CONTEXT`` it creates a kind cluster, builds the images and loads them. With ``CONTEXT`` it uses that cluster,
whose nodes must already have the images. ``settings.py`` lists all variables.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from controlplane import Kubectl, KubectlError
from controlplane.gobuild import GoBuildError
from controlplane.progress import step
from demo.examples import load_examples
from helm import Helm, HelmError, get_helm
from images.__main__ import image_name
from kind_demo.commands import CommandError, KindDemoError, run
from kind_demo.kind import Kind, find_kind, get_kind
from kind_demo.kuberay import ensure_kuberay, wait_for_kuberay
from kind_demo.programs import check_programs
from kind_demo.release import install, uninstall
from kind_demo.scenario import create_namespace, run_scenario
from kind_demo.settings import Settings, settings_from
from servers.errors import ServerError

ROOT = Path(__file__).parents[2]
TRY = """
The demo keeps running:

  kubectl --context={context} --namespace={namespace} get cagent,ctask,raycluster,pods
  kubectl --context={context} explain ctask.spec --recursive

Delete it with `make kind-demo-down{choice}`."""


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="kind_demo", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["up", "down"], default="up")
    command, settings = parser.parse_args().command, settings_from(os.environ)
    try:
        return down(settings) if command == "down" else up(settings)
    except (ServerError, KubectlError, HelmError, GoBuildError) as error:
        print(f"kind-demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("kind-demo: interrupted; delete what it created with `make kind-demo-down`", file=sys.stderr)
        return 130


def up(settings: Settings) -> int:
    """Run the demo; return exit code 0 if all tasks succeeded."""
    kubectl_program = check_programs(settings)
    if settings.context is None:
        create_cluster(settings)
    console = Console(width=None if sys.stdout.isatty() else 120)
    with _kubeconfig(kubectl_program, settings) as kubectl:
        ensure_kuberay(kubectl)
        create_namespace(kubectl, settings)
        with step("Installing the chart"):
            install(Helm(get_helm(), kubectl.kubeconfig), kubectl, settings)
        with step("Waiting for KubeRay"):
            wait_for_kuberay(kubectl)
        succeeded = run_scenario(kubectl, settings, load_examples(ROOT / "examples"), console)
    choice = f" CONTEXT={settings.context}" if settings.context else ""
    print(TRY.format(context=settings.kube_context, namespace=settings.namespace, choice=choice))
    return 0 if succeeded else 1


def create_cluster(settings: Settings) -> None:
    """Create the kind cluster, unless it exists, and load the images into it.

    Raises:
        KindDemoError: The cluster cannot be created, or an image cannot be built.
    """
    kind = Kind(get_kind(), settings.cluster)
    if not kind.exists:
        with step(f"Creating the cluster {settings.cluster!r} with kind"):
            kind.create(settings.node_image)
    if subprocess.run([sys.executable, "-m", "images"], check=False).returncode != 0:
        raise KindDemoError("cannot build the images; the output above has docker's error")
    images = [image_name(part) for part in ("operator", "runtime")]
    with step("Loading the images into the cluster"):
        kind.load([*images, *([settings.vllm_image] if _docker_has(settings.vllm_image) else [])])


def down(settings: Settings) -> int:
    """Delete the kind cluster, or, with ``CONTEXT``, the demo's release and namespaces."""
    if settings.context is None:
        program = find_kind()
        if program is None or not Kind(program, settings.cluster).exists:
            print(f"kind-demo: the cluster {settings.cluster!r} does not exist")
            return 0
        with step(f"Deleting the cluster {settings.cluster!r}"):
            Kind(program, settings.cluster).delete()
        return 0
    with _kubeconfig(check_programs(settings), settings) as kubectl, step("Deleting the demo's release and namespaces"):
        _delete_release(kubectl, settings)
    print("KubeRay and the CRDs are not deleted, because others may use them.")
    return 0


def _delete_release(kubectl: Kubectl, settings: Settings) -> None:
    if kubectl("get", "namespace", settings.namespace, "--ignore-not-found"):
        kubectl.within(settings.namespace).delete("ctask,cagent", "--all")
    uninstall(Helm(get_helm(), kubectl.kubeconfig), settings)
    kubectl.delete("namespace", settings.namespace, settings.system_namespace)


def _docker_has(image: str) -> bool:
    try:
        run(["docker", "image", "inspect", image], timeout_s=60)
    except CommandError:
        return False
    return True


@contextmanager
def _kubeconfig(program: Path, settings: Settings) -> Iterator[Kubectl]:
    """Yield a kubectl with a temporary kubeconfig of the one cluster; the user's kubeconfig is not changed."""
    argv = [str(program), "config", "view", "--raw", "--minify", "--flatten", f"--context={settings.kube_context}"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kubeconfig"
        path.touch(mode=0o600)
        path.write_text(run(argv, timeout_s=60), encoding="utf-8")
        yield Kubectl(program, path)


if __name__ == "__main__":
    sys.exit(main())
