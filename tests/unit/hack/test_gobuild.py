from pathlib import Path

import pytest

from controlplane import gobuild
from controlplane.platforms import KUBERNETES_VERSION, PROGRAMS


def test_no_go_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(gobuild, "INSTALL_DIRECTORIES", ())
    with pytest.raises(gobuild.GoBuildError, match="`go` is not on the PATH"):
        gobuild.find_go()


def test_a_failed_build_tells_what_go_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho 'go: go.mod requires go >= 1.26.0 (running go 1.20)' >&2\nexit 1\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(gobuild.GoBuildError, match=r"requires go >= 1\.26\.0 \(running go 1\.20\)"):
        gobuild.build_programs(["etcd"], tmp_path)


def test_every_program_is_pinned_by_the_module() -> None:
    module = (gobuild.MODULE / "go.mod").read_text(encoding="utf-8")
    tools = (gobuild.MODULE / "tools.go").read_text(encoding="utf-8")
    assert set(gobuild.PACKAGES) == set(PROGRAMS)
    assert f"k8s.io/kubernetes {KUBERNETES_VERSION}\n" in module
    assert all(f'_ "{package}"' in tools for package in gobuild.PACKAGES.values())
