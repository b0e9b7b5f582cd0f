"""Calls of the docker command."""

import subprocess
from pathlib import Path
from typing import Final

CONTENT: Final = """
import hashlib, os, sys
digest = hashlib.sha256()
for folder, folders, files in os.walk("/opt/cognitive"):
    folders.sort()
    for name in sorted(files):
        path = os.path.join(folder, name)
        content = os.readlink(path).encode() if os.path.islink(path) else open(path, "rb").read()
        mode = os.lstat(path).st_mode
        digest.update(f"{path} {mode:o} {hashlib.sha256(content).hexdigest()}\\n".encode())
print(digest.hexdigest())
"""


class DockerError(Exception):
    """docker is not installed or failed."""


def build(root: Path, dockerfile: str, tag: str, flags: list[str]) -> None:
    """Build an image; docker's output goes to standard error.

    Raises:
        DockerError: The build failed; docker has printed its error.
    """
    argv = ["docker", "build", *flags, "--file", str(root / dockerfile), "--tag", tag, str(root)]
    if _run(argv, stdout=2).returncode != 0:
        raise DockerError(f"cannot build {tag} from {dockerfile}")


def size_bytes(image: str) -> int:
    """Return the size of an image including its base."""
    return int(_output(["docker", "image", "inspect", "--format", "{{.Size}}", image]))


def content_digest(image: str) -> str:
    """Return the SHA-256 of the files that an image adds to its base: names, modes and contents, without times."""
    return _output(["docker", "run", "--rm", "--network=none", "--entrypoint=python", image, "-c", CONTENT])


def _output(argv: list[str]) -> str:
    done = _run(argv, stdout=subprocess.PIPE)
    if done.returncode != 0:
        raise DockerError(f"`{' '.join(argv[:4])} …` failed")
    return done.stdout.strip()


def _run(argv: list[str], stdout: int) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(argv, stdout=stdout, text=True, check=False)
    except FileNotFoundError as error:
        raise DockerError("`docker` is not on the PATH: install docker") from error
