from collections.abc import Collection
from pathlib import Path

import pytest

from controlplane import binaries
from controlplane.envtest import EnvtestError
from controlplane.gobuild import GoBuildError
from controlplane.platforms import programs_directory
from servers.errors import ServerMissingError

NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")


def install(directory: Path, *names: str) -> dict[str, Path]:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_text("#!/bin/sh\n")
        (directory / name).chmod(0o755)
    return {name: directory / name for name in names}


class Source:
    """Stands in for the download or the build: has some programs and remembers what it was asked for."""

    def __init__(self, *names: str, error: Exception | None = None) -> None:
        self.asked: list[list[str]] = []
        self._names = names
        self._error = error

    def __call__(self, names: Collection[str], into: Path) -> dict[str, Path]:
        self.asked.append(sorted(names))
        if self._error is not None:
            raise self._error
        return install(into, *(set(names) & set(self._names)))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv(binaries.ASSETS_VARIABLE, raising=False)
    return tmp_path


def use(monkeypatch: pytest.MonkeyPatch, download: Source, build: Source) -> None:
    monkeypatch.setattr(binaries, "download_programs", download)
    monkeypatch.setattr(binaries, "build_programs", build)


def test_the_assets_come_before_the_cache_and_lack_may_be_filled_from_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = install(home / "assets", "etcd", "kube-apiserver", "kubectl")
    cached = install(programs_directory(), *NAMES)
    monkeypatch.setenv(binaries.ASSETS_VARIABLE, str(home / "assets"))
    assert binaries.find_programs() == {**cached, **assets}


def test_a_file_that_cannot_be_executed_is_not_a_program(home: Path) -> None:
    install(programs_directory(), *NAMES)["etcd"].chmod(0o644)
    assert "etcd" not in binaries.find_installed()


def test_kubectl_alone_is_taken_from_the_path(home: Path) -> None:
    on_path = install(home / "bin", *NAMES)
    assert binaries.find_installed() == {"kubectl": on_path["kubectl"]}


def test_only_what_the_download_lacks_is_built(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    download, build = Source("etcd", "kube-apiserver", "kubectl"), Source(*NAMES)
    use(monkeypatch, download, build)
    assert set(binaries.find_programs()) == set(NAMES)
    assert download.asked == [sorted(NAMES)]
    assert build.asked == [["kube-controller-manager"]]


def test_without_a_network_everything_is_built(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = Source(*NAMES)
    use(monkeypatch, Source(error=EnvtestError("no network")), build)
    assert set(binaries.find_programs()) == set(NAMES)
    assert build.asked == [sorted(NAMES)]


def test_what_is_in_the_cache_is_not_fetched_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Source(error=EnvtestError("no network")), Source(*NAMES))
    binaries.find_programs()
    download, build = Source(), Source()
    use(monkeypatch, download, build)
    assert set(binaries.find_programs()) == set(NAMES)
    assert (download.asked, build.asked) == ([], [])


def test_when_nothing_works_the_message_says_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(
        monkeypatch,
        Source(error=EnvtestError("cannot read the index")),
        Source(error=GoBuildError("`go` is not on the PATH")),
    )
    with pytest.raises(ServerMissingError) as caught:
        binaries.find_programs(["etcd"])
    message = str(caught.value)
    assert message.startswith("cannot get etcd. Tried:")
    for part in (
        "KUBEBUILDER_ASSETS: is not set",
        f"the cache: {programs_directory()} does not contain them",
        "the envtest archive: cannot read the index",
        "go build: `go` is not on the PATH",
        "Install Go 1.26.0 or newer",
    ):
        assert part in message
