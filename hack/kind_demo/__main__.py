"""``python -m kind_demo`` shows the system on a cluster with pods; ``python -m kind_demo down`` deletes what it made.

Without ``CONTEXT`` it makes a cluster with kind, builds the images and loads them; with it, it uses that cluster, whose
nodes have the images. ``settings.py`` lists all variables.
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
from kind_demo.scenario import make_namespace, run_scenario
from kind_demo.settings import Settings, settings_from
from servers.errors import ServerError

ROOT = Path(__file__).parents[2]
TRY = """
Everything keeps running:

  kubectl --context={context} --namespace={namespace} get cagent,ctask,raycluster,pods
  kubectl --context={context} explain ctask.spec --recursive

`make kind-demo-down{choice}` deletes it."""


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
        print("kind-demo: interrupted; what was made stays until `make kind-demo-down`", file=sys.stderr)
        return 130


def up(settings: Settings) -> int:
    """Run the demo; 0 if all tasks succeeded."""
    kubectl_program = check_programs(settings)
    if settings.context is None:
        make_cluster(settings)
    console = Console(width=None if sys.stdout.isatty() else 120)
    with _kubeconfig(kubectl_program, settings) as kubectl:
        ensure_kuberay(kubectl)
        make_namespace(kubectl, settings)
        with step("Installing the chart"):
            install(Helm(get_helm(), kubectl.kubeconfig), kubectl, settings)
        with step("Waiting for KubeRay"):
            wait_for_kuberay(kubectl)
        succeeded = run_scenario(kubectl, settings, load_examples(ROOT / "examples"), console)
    choice = f" CONTEXT={settings.context}" if settings.context else ""
    print(TRY.format(context=settings.kube_context, namespace=settings.namespace, choice=choice))
    return 0 if succeeded else 1


def make_cluster(settings: Settings) -> None:
    """Make the cluster, unless an earlier demo has, and give it the images.

    Raises:
        KindDemoError: one of it cannot be had.
    """
    kind = Kind(get_kind(), settings.cluster)
    if not kind.exists:
        with step(f"Making the cluster {settings.cluster!r} with kind"):
            kind.create(settings.node_image)
    if subprocess.run([sys.executable, "-m", "images"], check=False).returncode != 0:
        raise KindDemoError("the images could not be built")
    images = [image_name(part) for part in ("operator", "runtime")]
    with step("Loading the images into the cluster"):
        kind.load([*images, *([settings.vllm_image] if _docker_has(settings.vllm_image) else [])])


def down(settings: Settings) -> int:
    """Delete the cluster that kind made; of another's cluster, what the demo made there."""
    if settings.context is None:
        program = find_kind()
        if program is None or not Kind(program, settings.cluster).exists:
            print(f"kind-demo: there is no cluster {settings.cluster!r}")
            return 0
        with step(f"Deleting the cluster {settings.cluster!r}"):
            Kind(program, settings.cluster).delete()
        return 0
    with _kubeconfig(check_programs(settings), settings) as kubectl, step("Deleting what the demo made"):
        _leave(kubectl, settings)
    print("KubeRay and the custom resources stay: others may use them.")
    return 0


def _leave(kubectl: Kubectl, settings: Settings) -> None:
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
    """Give kubectl for the one cluster; the user's own configuration is left as it is."""
    argv = [str(program), "config", "view", "--raw", "--minify", "--flatten", f"--context={settings.kube_context}"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kubeconfig"
        path.touch(mode=0o600)
        path.write_text(run(argv, timeout_s=60), encoding="utf-8")
        yield Kubectl(program, path)


if __name__ == "__main__":
    sys.exit(main())
