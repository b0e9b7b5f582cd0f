"""The control plane that the other tests stand on."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane import ControlPlane, Kubectl, KubectlError
from support.eventually import eventually
from support.log_lines import whole_lines

pytestmark = pytest.mark.component


def config_map(name: str, owner_uid: str | None = None) -> str:
    references = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner_uid}] if owner_uid else []
    metadata = {"name": name, "ownerReferences": references}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})


def test_a_namespace_gets_its_service_account(kubectl: Kubectl) -> None:
    eventually(lambda: "default" in kubectl("get", "serviceaccounts", "-o", "name"))


def test_children_are_collected_with_their_owner(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("owner"))
    uid = kubectl.json("get", "configmap", "owner")["metadata"]["uid"]
    kubectl.apply(config_map("child", uid))
    kubectl("delete", "configmap", "owner")
    eventually(lambda: "child" not in kubectl("get", "configmaps", "-o", "name"))


def test_a_deleted_namespace_goes_away(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "namespace", "short-lived")
    control_plane.kubectl.delete("namespace", "short-lived")
    with pytest.raises(KubectlError, match="not found"):
        control_plane.kubectl("get", "namespace", "short-lived")


def test_rights_are_checked(kubectl: Kubectl) -> None:
    account = f"system:serviceaccount:{kubectl.namespace}:default"
    with pytest.raises(KubectlError, match=r"cannot list resource .secrets"):
        kubectl("get", "secrets", f"--as={account}")


def test_requests_are_audited(control_plane: ControlPlane, kubectl: Kubectl) -> None:
    kubectl.apply(config_map("audited"))

    def created() -> bool:
        return any(
            entry["verb"] == "create"
            and entry.get("objectRef", {}).get("name") == "audited"
            and entry["objectRef"]["namespace"] == kubectl.namespace
            for entry in map(json.loads, whole_lines(control_plane.audit_log_path))
        )

    eventually(created)


def test_secrets_on_disk_are_the_owners_alone(control_plane: ControlPlane) -> None:
    paths: list[Path] = [control_plane.kubeconfig_path, *control_plane.directory.glob("pki/*.key")]
    assert len(paths) > 4
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}


def test_the_api_server_restarts_on_its_port_with_its_data(tmp_path: Path, control_plane: ControlPlane) -> None:
    with ControlPlane.start(tmp_path / "own", audit=False) as plane:
        url = plane.url
        plane.kubectl("create", "namespace", "kept")
        plane.stop_apiserver(kill=True)
        plane.start_apiserver()
        assert plane.url == url
        assert "kept" in plane.kubectl("get", "namespaces", "-o", "name")
        processes = plane.processes
    assert not any(process.is_running for process in processes)
    assert not plane.directory.exists()


class CommandLine:
    """``python -m controlplane`` as a process, and the programs that it started."""

    def __init__(self, directory: Path) -> None:
        hack = str(Path(__file__).parents[3] / "hack")
        argv = [sys.executable, "-m", "controlplane", "--directory", str(directory)]
        signal.signal(signal.SIGINT, signal.default_int_handler)  # where a shell's background job inherits it ignored
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": hack})
        assert self.process.stdout is not None
        with self.process.stdout:
            self.announcement = self.process.stdout.readline().strip()
        self.directory = directory

    def programs(self) -> list[str]:
        """Return the command lines that still run in the directory."""
        marker = f"={self.directory}/"
        lines = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                lines.append(path.read_text().replace("\0", " "))
        return [line for line in lines if marker in line and "supervisor.py" not in line]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_the_command_line_leaves_nothing_however_it_ends(
    control_plane: ControlPlane, tmp_path: Path, number: int, code: int
) -> None:
    line = CommandLine(tmp_path / "own")
    assert line.announcement == f"export KUBECONFIG={line.directory}/kubeconfig"
    assert len(line.programs()) == 3
    line.process.send_signal(number)
    assert line.process.wait(30) == code
    eventually(lambda: not line.programs(), timeout_s=60)
    assert line.directory.exists() == (number == signal.SIGKILL)
