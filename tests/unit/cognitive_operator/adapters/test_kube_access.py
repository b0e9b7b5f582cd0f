import base64
import os
from pathlib import Path

import pytest

from cognitive_operator.adapters.kube.access import find_access
from cognitive_operator.adapters.kube.kubeconfig import KubeConfigError
from cognitive_operator.adapters.kube.token_file import TokenFile

NOWHERE = Path("/nonexistent")


def kubeconfig(path: Path, user: str, cluster: str = "server: http://127.0.0.1:8001/") -> Path:
    path.write_text(
        f"""
current-context: here
contexts: [{{name: here, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{{cluster}}}}}]
users: [{{name: u, user: {{{user}}}}}]
""",
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ("token: abc", "Bearer abc"),
        ("username: me, password: x", f"Basic {base64.b64encode(b'me:x').decode()}"),
        ("tokenFile: token", "Bearer from-file"),
        ("", None),
    ],
)
def test_a_kubeconfig_says_where_and_as_whom(tmp_path: Path, user: str, header: str | None) -> None:
    (tmp_path / "token").write_text("from-file\n", encoding="ascii")
    access = find_access({"KUBECONFIG": str(kubeconfig(tmp_path / "config", user))}, NOWHERE)
    assert access.server == "http://127.0.0.1:8001"
    assert access.authorization() == header


def test_of_several_kubeconfigs_the_first_word_counts(tmp_path: Path) -> None:
    first = kubeconfig(tmp_path / "first", "token: one")
    second = kubeconfig(tmp_path / "second", "token: two", "server: https://elsewhere")
    access = find_access({"KUBECONFIG": f"{first}{os.pathsep}{second}"}, NOWHERE)
    assert (access.server, access.authorization()) == ("http://127.0.0.1:8001", "Bearer one")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("current-context: other", "other"),
        ("[1]", "not a kubeconfig"),
        ("a: [", "config"),
        ("", "None"),
    ],
)
def test_a_useless_kubeconfig_is_named(tmp_path: Path, content: str, named: str) -> None:
    path = tmp_path / "config"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(KubeConfigError, match=named) as raised:
        find_access({"KUBECONFIG": str(path)}, NOWHERE)
    assert str(path) in str(raised.value)


def test_an_absent_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeConfigError, match="absent"):
        find_access({"KUBECONFIG": str(tmp_path / "absent")}, NOWHERE)


def test_a_plugin_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "exec: {command: aws}")
    with pytest.raises(KubeConfigError, match="user u: exec is not supported; use a token"):
        find_access({"KUBECONFIG": str(path)}, NOWHERE)


def test_a_rotated_token_is_read_again_after_a_minute(tmp_path: Path) -> None:
    path, now = tmp_path / "token", 100.0
    path.write_text("one\n", encoding="ascii")
    header = TokenFile(path, lambda: now)
    assert header() == "Bearer one"
    path.write_text("two\n", encoding="ascii")
    now += 59
    assert header() == "Bearer one"
    now += 2
    assert header() == "Bearer two"
    path.unlink()
    now += 61
    assert header() == "Bearer two"
