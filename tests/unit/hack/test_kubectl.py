"""kubectl run by the demo and the tests."""

from pathlib import Path

import pytest

from controlplane import Kubectl, KubectlError


def script(directory: Path, line: str) -> Kubectl:
    """Return a Kubectl whose program is a script of one line."""
    program = directory / "kubectl"
    program.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    program.chmod(0o755)
    return Kubectl(program, directory / "kubeconfig")


def test_a_command_that_does_not_end_is_an_error_that_names_it(tmp_path: Path) -> None:
    kubectl = script(tmp_path, "exec sleep 60")
    with pytest.raises(KubectlError, match=r"^kubectl get ctask did not end within 0\.2 s$"):
        kubectl("get", "ctask", timeout_s=0.2)


def test_an_error_of_kubectl_is_its_error_output(tmp_path: Path) -> None:
    kubectl = script(tmp_path, "echo 'no such kind' >&2; exit 1")
    with pytest.raises(KubectlError, match=r"^no such kind$"):
        kubectl("get", "nothing")
