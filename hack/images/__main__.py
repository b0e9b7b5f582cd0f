"""``python -m images`` builds both images and fails if one adds more to its base image than ADDED_MB.

Variables: ``PYTHON_IMAGE`` (base image), ``IMAGE_PREFIX`` (registry), ``IMAGE_TAG`` (tag) and ``IMAGE_BUILD_FLAGS``
(further flags of ``docker build``, for example a network, a proxy or a package index).
"""

import os
import shlex
import sys
import tomllib
from pathlib import Path

from images.docker import DockerError, build, content_digest, size_bytes

ROOT = Path(__file__).parents[2]
BASE = "python:3.11-slim-bookworm"
ADDED_MB = {"operator": 120, "runtime": 650}
"""Maximum size that an image may add to its base image, in 10^6 bytes."""


def image_name(part: str) -> str:
    """Return the image name of ``operator`` or ``runtime``."""
    tag = os.environ.get("IMAGE_TAG") or version_of(part)
    return f"{os.environ.get('IMAGE_PREFIX') or 'seedcore'}/cognitive-{part}:{tag}"


def version_of(part: str) -> str:
    """Return the version of ``operator`` or ``runtime``."""
    project = tomllib.loads((ROOT / part / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def main() -> int:
    """Build the images of the command line, by default both."""
    try:
        return max([_build(part) for part in sys.argv[1:] or ADDED_MB])
    except DockerError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1


def _build(part: str) -> int:
    base, image = os.environ.get("PYTHON_IMAGE") or BASE, image_name(part)
    flags = ["--build-arg", f"PYTHON_IMAGE={base}", *shlex.split(os.environ.get("IMAGE_BUILD_FLAGS", ""))]
    build(ROOT, f"{part}/Dockerfile", image, flags)
    added_mb = (size_bytes(image) - size_bytes(base)) / 1e6
    print(f"{image}\t{added_mb:.0f} MB above {base} (at most {ADDED_MB[part]})\tcontent {content_digest(image)}")
    return int(added_mb > ADDED_MB[part])


if __name__ == "__main__":
    sys.exit(main())
