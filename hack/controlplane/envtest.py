"""Downloads kube-apiserver, etcd and kubectl from the envtest archives of controller-tools.

Source: https://github.com/kubernetes-sigs/controller-tools/blob/main/envtest-releases.yaml
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
import urllib.request
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from controlplane.platforms import KUBERNETES_VERSION, platform_name
from controlplane.progress import step

INDEX_URL = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml"
TIMEOUT_S = 5.0
CHUNK_BYTES = 1 << 20
CONTENTS = ("etcd", "kube-apiserver", "kubectl")


class EnvtestError(Exception):
    """No archive is usable; the message names the cause."""


@dataclass(frozen=True)
class Archive:
    """One archive of the index."""

    release: str
    url: str
    sha512: str


def download_programs(names: Collection[str], into: Path, index_url: str = INDEX_URL) -> dict[str, Path]:
    """Install the programs of ``names`` that the archives contain and return their paths.

    Raises:
        EnvtestError: The index or the archive cannot be read, or the checksum is wrong.
    """
    wanted = set(names) & set(CONTENTS)
    if not wanted:
        return {}
    archive = choose_archive(_read_index(index_url), KUBERNETES_VERSION, platform_name())
    with tempfile.TemporaryDirectory(dir=into) as folder:
        packed = Path(folder) / "archive.tar.gz"
        with step(f"Downloading Kubernetes {archive.release} for {platform_name()}"):
            _download(archive, packed)
        return _unpack(packed, wanted, into)


def choose_archive(index: dict[str, Any], version: str, platform: str) -> Archive:
    """Return the newest archive of the version's minor release for a platform.

    Raises:
        EnvtestError: The index has no such archive.
    """
    minor = version.rpartition(".")[0] + "."
    releases: dict[str, Any] = index.get("releases") or {}
    for release in sorted((name for name in releases if _is_patch_of(name, minor)), key=_patch_number, reverse=True):
        entry = releases[release].get(f"envtest-{release}-{platform}.tar.gz")
        if entry:
            return Archive(release, entry["selfLink"], entry["hash"])
    raise EnvtestError(f"the index has no archive of {minor}x for {platform}")


def _is_patch_of(release: str, minor: str) -> bool:
    return release.startswith(minor) and release.removeprefix(minor).isdigit()


def _patch_number(release: str) -> int:
    return int(release.rpartition(".")[2])


def _read_index(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            index = yaml.safe_load(answer.read())
    except (OSError, yaml.YAMLError) as error:
        raise EnvtestError(f"cannot read {url}: {error}") from error
    if not isinstance(index, dict):
        raise EnvtestError(f"{url} is not an index of releases")
    return index


def _download(archive: Archive, target: Path) -> None:
    digest = hashlib.sha512()
    try:
        with urllib.request.urlopen(archive.url, timeout=TIMEOUT_S) as answer, target.open("wb") as file:
            while chunk := answer.read(CHUNK_BYTES):
                digest.update(chunk)
                file.write(chunk)
    except OSError as error:
        raise EnvtestError(f"cannot download {archive.url}: {error}") from error
    if digest.hexdigest() != archive.sha512:
        raise EnvtestError(f"{archive.url} has the SHA-512 {digest.hexdigest()}, the index says {archive.sha512}")


def _unpack(packed: Path, wanted: Collection[str], into: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    try:
        with tarfile.open(packed) as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                content = tar.extractfile(member) if member.isfile() and name in wanted else None
                if content:
                    partial = packed.with_name(name)
                    with content, partial.open("wb") as file:
                        shutil.copyfileobj(content, file)
                    partial.chmod(0o755)
                    os.replace(partial, into / name)
                    found[name] = into / name
    except tarfile.TarError as error:
        raise EnvtestError(f"the archive cannot be read: {error}") from error
    return found
