"""Installs kind; creates and deletes its clusters."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from controlplane.gobuild import find_go
from controlplane.platforms import cache_directory, platform_name
from controlplane.progress import step
from kind_demo.commands import CommandError, KindDemoError, run

VERSION = "v0.33.0"
MODULE = "sigs.k8s.io/kind"
BUILD_TIMEOUT_S = 900.0
CREATE_TIMEOUT_S = 1200.0
NODE_IMAGE = """docker cannot pull kind's node image:

{error}

kind needs this image to create a cluster. Do one of these:
  - configure a registry, mirror or proxy from which docker can pull the image
  - name an image that docker has or can pull: make kind-demo KIND_NODE_IMAGE=…
  - use an existing cluster: make kind-demo CONTEXT=…"""


def find_kind() -> Path | None:
    """Return the path of kind, on the PATH or in the cache; None if it is in neither."""
    on_path = shutil.which("kind")
    program = Path(on_path) if on_path else _cached()
    return program if os.access(program, os.X_OK) else None


def get_kind() -> Path:
    """Return the path of kind; install it into the cache if it is missing.

    Raises:
        CommandError: The installation failed.
        GoBuildError: Go is not installed.
    """
    if (found := find_kind()) is not None:
        return found
    with step(f"Installing kind {VERSION} from source, once"):
        run(
            [find_go(), "install", f"{MODULE}@{VERSION}"],
            timeout_s=BUILD_TIMEOUT_S,
            GOBIN=str(_cached().parent),
            CGO_ENABLED="0",
        )
    return _cached()


@dataclass(frozen=True)
class Kind:
    """The kind program with the name of one cluster."""

    program: Path
    name: str

    @property
    def exists(self) -> bool:
        """True if the cluster exists."""
        return self.name in run([str(self.program), "get", "clusters"], timeout_s=60).split()

    def create(self, node_image: str | None) -> None:
        """Create the cluster with one node.

        Raises:
            KindDemoError: The creation failed; kind deletes a partial cluster.
        """
        image = ["--image", node_image] if node_image else []
        try:
            self._run("create", "cluster", *image, "--wait=180s", timeout_s=CREATE_TIMEOUT_S)
        except CommandError as error:
            if "failed to pull image" in str(error):
                raise KindDemoError(NODE_IMAGE.format(error=error)) from error
            raise KindDemoError(f"kind could not create the cluster {self.name!r}:\n{error}") from error

    def load(self, images: Sequence[str]) -> None:
        """Copy images from docker into the cluster."""
        self._run("load", "docker-image", *images, timeout_s=CREATE_TIMEOUT_S)

    def delete(self) -> None:
        """Delete the cluster."""
        self._run("delete", "cluster", timeout_s=300)

    def _run(self, *arguments: str, timeout_s: float) -> None:
        run([str(self.program), *arguments, "--name", self.name], timeout_s=timeout_s)


def _cached() -> Path:
    return cache_directory() / f"kind-{VERSION}-{platform_name()}" / "kind"
