"""Runs kubectl against one control plane."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 60.0
GONE_TIMEOUT_S = 180.0
"""A namespace is gone after its pods' grace periods, seen in rounds of the namespace controller."""


class KubectlError(Exception):
    """kubectl failed; the message is what it said."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl with a kubeconfig, and perhaps a namespace."""

    program: Path
    kubeconfig: Path
    namespace: str | None = None

    def __call__(self, *arguments: str, stdin: str | None = None, timeout_s: float = TIMEOUT_S) -> str:
        """Run it and return what it printed.

        Raises:
            KubectlError: it failed.
        """
        scope = [] if self.namespace is None else ["--namespace", self.namespace]
        done = subprocess.run(
            [str(self.program), *scope, *arguments],
            input=stdin,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode != 0:
            raise KubectlError((done.stderr or done.stdout).strip())
        return done.stdout

    def apply(self, manifest: str) -> str:
        """Apply a manifest, YAML or JSON."""
        return self("apply", "-f", "-", stdin=manifest)

    def delete(self, *what: str) -> None:
        """Delete objects that may be there, and wait until they are gone."""
        self("delete", *what, "--ignore-not-found", f"--timeout={GONE_TIMEOUT_S:g}s", timeout_s=GONE_TIMEOUT_S + 10)

    def json(self, *arguments: str) -> Any:
        """Run it with ``-o json`` and return the object."""
        return json.loads(self(*arguments, "-o", "json"))

    def within(self, namespace: str) -> "Kubectl":
        """Return the same for another namespace."""
        return Kubectl(self.program, self.kubeconfig, namespace)
