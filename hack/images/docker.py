"""What is asked of the Docker command."""

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
    """Docker is not there or failed; the message is what it said."""


def build(root: Path, dockerfile: str, tag: str, flags: list[str]) -> None:
    """Build an image; what Docker says goes to standard error.

    Raises:
        DockerError: It failed, after having said why.
    """
    argv = ["docker", "build", *flags, "--file", str(root / dockerfile), "--tag", tag, str(root)]
    if _start(argv, stdout=2).returncode != 0:
        raise DockerError(f"{tag} could not be built from {dockerfile}")


def size_bytes(image: str) -> int:
    """Return the size of an image, its base included."""
    return int(_said(["docker", "image", "inspect", "--format", "{{.Size}}", image]))


def content_digest(image: str) -> str:
    """Return the SHA-256 of all that an image adds to its base: names, modes and contents, but no times."""
    return _said(["docker", "run", "--rm", "--network=none", "--entrypoint=python", image, "-c", CONTENT])


def _said(argv: list[str]) -> str:
    done = _start(argv, stdout=subprocess.PIPE)
    if done.returncode != 0:
        raise DockerError(f"`{' '.join(argv[:4])} …` failed")
    return done.stdout.strip()


def _start(argv: list[str], stdout: int) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(argv, stdout=stdout, text=True, check=False)
    except FileNotFoundError as error:
        raise DockerError("there is no `docker` on the PATH") from error
