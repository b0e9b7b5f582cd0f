import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane import envtest
from controlplane.platforms import KUBERNETES_VERSION, platform_name

PLATFORM = "linux-amd64"


def index_of(*releases: str, platform: str = PLATFORM) -> dict[str, Any]:
    def entry(release: str) -> dict[str, Any]:
        return {f"envtest-{release}-{platform}.tar.gz": {"hash": f"hash {release}", "selfLink": f"link {release}"}}

    return {"releases": {release: entry(release) for release in releases}}


def test_the_newest_patch_of_the_minor_release_is_chosen() -> None:
    index = index_of("v1.35.9", "v1.36.2", "v1.36.10", "v1.36.11-rc.1", "v1.37.0")
    assert envtest.choose_archive(index, "v1.36.3", PLATFORM) == envtest.Archive(
        "v1.36.10", "link v1.36.10", "hash v1.36.10"
    )


@pytest.mark.parametrize(
    "index", [{}, {"releases": None}, index_of("v1.35.0"), index_of("v1.36.0", platform="darwin-arm64")]
)
def test_no_archive_of_the_minor_release_for_the_platform_is_an_error(index: dict[str, Any]) -> None:
    with pytest.raises(envtest.EnvtestError, match=r"no archive of v1\.36\.x for linux-amd64"):
        envtest.choose_archive(index, "v1.36.3", PLATFORM)


class Upstream:
    """An index and an archive as files, reached by ``file:`` URLs."""

    def __init__(self, directory: Path, members: dict[str, bytes]) -> None:
        self.archive = directory / "archive.tar.gz"
        with tarfile.open(self.archive, "w:gz") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        self.index = directory / "index.yaml"
        self.write_index(hashlib.sha512(self.archive.read_bytes()).hexdigest())

    def write_index(self, sha512: str) -> None:
        release = f"{KUBERNETES_VERSION.rpartition('.')[0]}.0"
        entry = {f"envtest-{release}-{platform_name()}.tar.gz": {"hash": sha512, "selfLink": self.archive.as_uri()}}
        self.index.write_text(yaml.safe_dump({"releases": {release: entry}}), encoding="utf-8")


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    names = ("etcd", "kube-apiserver", "kubectl")
    return Upstream(tmp_path, {f"controller-tools/envtest/{name}": f"I am {name}".encode() for name in names})


@pytest.fixture
def target(tmp_path: Path) -> Path:
    directory = tmp_path / "programs"
    directory.mkdir()
    return directory


def test_the_wanted_programs_are_installed_executable(upstream: Upstream, target: Path) -> None:
    wanted = ["etcd", "kube-apiserver", "kube-controller-manager"]
    found = envtest.download_programs(wanted, target, upstream.index.as_uri())
    assert found == {"etcd": target / "etcd", "kube-apiserver": target / "kube-apiserver"}
    assert found["etcd"].read_text() == "I am etcd"
    assert found["etcd"].stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in target.iterdir()) == ["etcd", "kube-apiserver"]


def test_a_wrong_checksum_installs_nothing(upstream: Upstream, target: Path) -> None:
    upstream.write_index("0" * 128)
    with pytest.raises(envtest.EnvtestError, match=r"has the SHA-512 \w{128}, the index says 0{128}"):
        envtest.download_programs(["etcd"], target, upstream.index.as_uri())
    assert list(target.iterdir()) == []


def test_an_unreachable_index_is_named(target: Path, tmp_path: Path) -> None:
    with pytest.raises(envtest.EnvtestError, match=r"cannot read file:.*absent\.yaml"):
        envtest.download_programs(["etcd"], target, (tmp_path / "absent.yaml").as_uri())


def test_what_no_archive_holds_is_not_asked_for(target: Path) -> None:
    assert envtest.download_programs(["kube-controller-manager"], target, "file:///nowhere") == {}


def test_an_archive_that_is_not_one_is_an_error(upstream: Upstream, target: Path) -> None:
    upstream.archive.write_bytes(b"<html>")
    upstream.write_index(hashlib.sha512(b"<html>").hexdigest())
    with pytest.raises(envtest.EnvtestError, match="the archive cannot be read"):
        envtest.download_programs(["etcd"], target, upstream.index.as_uri())
