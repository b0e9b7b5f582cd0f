"""Kubeconfigs, service accounts and the options of ``serve`` for a cluster."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cognitive_runtime.__main__ import main
from cognitive_runtime.adapters.kube.access import access_by_kubeconfig, access_in_cluster
from cognitive_runtime.adapters.kube.kubeconfig import InvalidKubeconfig, read_kubeconfig
from cognitive_runtime.bootstrap.cluster_settings import ClusterSettings
from cognitive_runtime.bootstrap.http_server import TOKEN, HttpServerSettings, run_serve

Entry = dict[str, Any]


def config(path: Path, user: Entry | None = None, cluster: Entry | None = None, **changes: Any) -> Path:
    content: Entry = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "team"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://api.example:6443/"} | (cluster or {})}],
        "users": [{"name": "u", "user": user or {}}],
    }
    path.write_text(yaml.safe_dump(content | changes), encoding="utf-8")
    return path


def test_the_current_context_names_cluster_and_namespace(tmp_path: Path) -> None:
    cluster = {"tls-server-name": "inner", "proxy-url": "http://proxy:3128"}
    found = access_by_kubeconfig(read_kubeconfig(config(tmp_path / "config", {"token": "t"}, cluster)))
    address = found.address
    assert (address.server, address.server_hostname, address.proxy) == (
        "https://api.example:6443",
        "inner",
        "http://proxy:3128",
    )
    assert found.namespace == "team"
    assert found.own is not None
    assert found.own.token() == "t"


def test_a_rotated_token_is_read_again_beside_the_kubeconfig(tmp_path: Path) -> None:
    own = access_by_kubeconfig(read_kubeconfig(config(tmp_path / "config", {"tokenFile": "token"}))).own
    assert own is not None
    for token in ("first", "second"):
        (tmp_path / "token").write_text(f"{token}\n", encoding="ascii")
        assert own.token() == token


@pytest.mark.parametrize("user", [{"exec": {"command": "login"}}, {"auth-provider": {"name": "x"}}, {}])
def test_a_user_of_a_plugin_is_not_needed_to_serve_callers(tmp_path: Path, user: Entry) -> None:
    assert access_by_kubeconfig(read_kubeconfig(config(tmp_path / "config", user))).own is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"current-context": None}, "current-context is not set"),
        ({"current-context": "other"}, "there is no context 'other'"),
        ({"clusters": []}, "there is no cluster 'k'"),
        ({"clusters": [{"name": "k"}]}, "cluster 'k' has no server"),
        ({"contexts": ["c"]}, "malformed"),
        ({"cluster": {"certificate-authority": "absent.crt"}}, "absent.crt cannot be read"),
        ({"cluster": {"certificate-authority-data": "%"}}, "is not base64"),
        ({"cluster": {"certificate-authority-data": "c2VjcmV0"}}, "cannot be used"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_names_the_field(tmp_path: Path, changes: Entry, message: str) -> None:
    with pytest.raises(InvalidKubeconfig, match=message):
        access_by_kubeconfig(read_kubeconfig(config(tmp_path / "config", **changes)))


@pytest.mark.parametrize(("content", "message"), [("[]", "not a kubeconfig"), ("a: b: secret", "is not YAML")])
def test_a_file_that_is_no_kubeconfig_is_refused_without_its_content(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "config"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidKubeconfig, match=message) as caught:
        read_kubeconfig(path)
    assert "secret" not in str(caught.value)
    with pytest.raises(InvalidKubeconfig, match="cannot be read: FileNotFoundError"):
        read_kubeconfig(tmp_path / "absent")


def test_a_pod_uses_its_service_account(tmp_path: Path) -> None:
    with pytest.raises(InvalidKubeconfig, match=r"--in-cluster: .*token does not exist"):
        access_in_cluster({}, tmp_path)
    key = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=ca", "-keyout", os.devnull]
    subprocess.run([*key, "-out", str(tmp_path / "ca.crt")], check=True, capture_output=True, timeout=30)
    (tmp_path / "token").write_text("t", encoding="ascii")
    (tmp_path / "namespace").write_text("team\n", encoding="ascii")
    found = access_in_cluster({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}, tmp_path)
    assert (found.address.server, found.namespace) == ("https://[fd00::1]:6443", "team")
    assert found.own is not None
    assert found.own.token() == "t"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--agent", "sre"], "--agent needs --kubeconfig or --in-cluster"),
        (["--on-disconnect", "leave"], "--on-disconnect needs"),
        (["--allow-kubeconfig-user"], "--allow-kubeconfig-user needs"),
        (["--in-cluster", "--allow-kubeconfig-user"], "--allow-kubeconfig-user needs --kubeconfig"),
        (["--in-cluster", "--kubeconfig", "f"], "not allowed with"),
        (["--in-cluster", "--application", "core"], "--application is for a local core"),
        (["--in-cluster", "--agent", "SRE"], "'SRE' is not a name"),
        (["--in-cluster", "--namespace", "a/b"], "'a/b' is not a name"),
        (["--in-cluster", "--timeout-seconds", "0"], "'0' is not a number from 1 on"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", *argv])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "environ", "message"),
    [
        ({}, {TOKEN: "t0ken"}, f"{TOKEN} has no effect on a cluster"),
        ({"allows_own": True, "host": "0.0.0.0"}, {}, "--allow-kubeconfig-user is for local use"),
        ({"allows_own": True}, {}, "--allow-kubeconfig-user: the user of .* needs a token"),
    ],
)
def test_settings_that_would_open_a_cluster_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: Entry, environ: dict[str, str], message: str
) -> None:
    host = settings.pop("host", "127.0.0.1")
    cluster = ClusterSettings(config(tmp_path / "config", {"exec": {}}), **settings)
    assert run_serve(HttpServerSettings(host, cluster=cluster), environ) == 2
    said = capsys.readouterr().err
    assert "t0ken" not in said
    assert message.split(" .* ", maxsplit=1)[0] in said
