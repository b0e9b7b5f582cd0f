"""The control plane that the other tests stand on."""

import json
from pathlib import Path

import pytest

from controlplane import ControlPlane, Kubectl, KubectlError
from eventually import eventually

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
    control_plane.kubectl("delete", "namespace", "short-lived", "--timeout=30s")
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
            for entry in map(json.loads, control_plane.audit_log_path.read_text().splitlines())
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
