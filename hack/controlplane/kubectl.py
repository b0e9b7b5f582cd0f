"""Runs kubectl against one cluster."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 60.0
GONE_TIMEOUT_S = 180.0
"""Deleting a namespace takes its pods' grace periods and several rounds of the namespace controller."""


class KubectlError(Exception):
    """kubectl failed or did not end in time; the message is its error output, or names the command."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl with a kubeconfig and an optional namespace."""

    program: Path
    kubeconfig: Path
    namespace: str | None = None

    def __call__(self, *arguments: str, stdin: str | None = None, timeout_s: float = TIMEOUT_S) -> str:
        """Run kubectl and return its standard output.

        Raises:
            KubectlError: kubectl failed, or did not end within ``timeout_s``.
        """
        scope = [] if self.namespace is None else ["--namespace", self.namespace]
        command = [str(self.program), *scope, *arguments]
        env = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        try:
            done = subprocess.run(
                command, input=stdin, env=env, capture_output=True, text=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise KubectlError(f"kubectl {' '.join(arguments)} did not end within {timeout_s:g} s") from None
        if done.returncode != 0:
            raise KubectlError((done.stderr or done.stdout).strip())
        return done.stdout

    def apply(self, manifest: str) -> str:
        """Apply a manifest, YAML or JSON."""
        return self("apply", "-f", "-", stdin=manifest)

    def delete(self, *objects: str) -> None:
        """Delete objects, if they exist, and wait until they are gone."""
        self("delete", *objects, "--ignore-not-found", f"--timeout={GONE_TIMEOUT_S:g}s", timeout_s=GONE_TIMEOUT_S + 10)

    def json(self, *arguments: str) -> Any:
        """Run kubectl with ``-o json`` and return the parsed output."""
        return json.loads(self(*arguments, "-o", "json"))

    def within(self, namespace: str) -> "Kubectl":
        """Return a Kubectl for another namespace."""
        return Kubectl(self.program, self.kubeconfig, namespace)
