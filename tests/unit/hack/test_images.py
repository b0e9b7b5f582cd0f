from pathlib import Path

import pytest

from images import __main__ as images
from images.docker import DockerError, build

DOCKER = """#!/bin/sh
case "$1 $4 $5" in
  build*) echo "$@" >> "$0.log" ;;
  *python:3.11-slim-bookworm) echo 200000000 ;;
  image*) cat "$0.size" ;;
  run*) echo abc ;;
esac
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "docker"
    program.write_text(DOCKER)
    program.chmod(0o755)
    (tmp_path / "docker.size").write_text("238000000")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    for name in ("IMAGE_TAG", "IMAGE_PREFIX", "IMAGE_BUILD_FLAGS", "PYTHON_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.argv", ["images", "operator"])
    return program


def test_what_the_image_adds_is_told(docker: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert images.main() == 0
    version = images.version_of("operator")
    assert capsys.readouterr().out == (
        f"seedcore/cognitive-operator:{version}\t38 MB above python:3.11-slim-bookworm (at most 120)\tcontent abc\n"
    )


def test_an_image_that_grew_too_large_fails(docker: Path) -> None:
    Path(f"{docker}.size").write_text("320000001")
    assert images.main() == 1


def test_names_and_flags_come_from_the_environment(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_PREFIX", "registry.example/team")
    monkeypatch.setenv("IMAGE_TAG", "candidate")
    monkeypatch.setenv("IMAGE_BUILD_FLAGS", "--network host")
    images.main()
    said = Path(f"{docker}.log").read_text()
    assert "--network host" in said
    assert "--tag registry.example/team/cognitive-operator:candidate" in said


def test_no_docker_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DockerError, match="`docker` is not on the PATH: install docker"):
        build(tmp_path, "Dockerfile", "x", [])


@pytest.mark.parametrize("part", ["operator", "runtime"])
def test_images_run_as_a_numbered_user_without_the_means_of_their_build(part: str) -> None:
    text = (images.ROOT / part / "Dockerfile").read_text(encoding="utf-8")
    final = text.rpartition("\nFROM ")[2]
    assert "\nUSER 65532:65532\n" in final
    assert "RUN" not in final
    assert "--locked" in text


def test_the_runtime_image_has_git_and_its_client_for_https() -> None:
    text = (images.ROOT / "runtime" / "Dockerfile").read_text(encoding="utf-8")
    stages = text.split("\nFROM ")
    (made,) = [stage for stage in stages if stage.startswith("${PYTHON_IMAGE} AS git\n")]
    assert "git-remote-https /git/usr/lib/git-core/" in made
    assert "COPY --from=git /git/usr /usr\n" in stages[-1]
