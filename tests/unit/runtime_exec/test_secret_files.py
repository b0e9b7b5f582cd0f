from pathlib import Path

import pytest

from cognitive_runtime.adapters.secrets import SecretFiles
from cognitive_runtime.domain import CredentialsNotMounted, InvalidRequest


@pytest.fixture
def files(tmp_path: Path) -> SecretFiles:
    (tmp_path / "a1").mkdir()
    return SecretFiles(tmp_path, "a1")


def test_a_secret_is_read_anew_without_its_line_end(files: SecretFiles) -> None:
    for content in ("first\n", "second\n"):
        (files.folder / "llm-api-key").write_text(content)
        assert files.read("llm-api-key") == content.strip()


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"], ids=["absent", "empty", "blank", "not text"])
def test_an_unusable_file_says_which_and_may_come(files: SecretFiles, content: bytes | None) -> None:
    if content is not None:
        (files.folder / "key").write_bytes(content)
    with pytest.raises(CredentialsNotMounted, match="a1/key") as caught:
        files.read("key")
    assert caught.value.retryable
    assert files.missing(["key"]) == ["key"]


@pytest.mark.parametrize("name", ["", ".", "..", "../a2/key", "/etc/passwd", "a/b", "key\n", "k\0", "schlüssel"])
def test_a_name_cannot_leave_the_agents_folder(files: SecretFiles, name: str) -> None:
    with pytest.raises(InvalidRequest):
        files.read(name)


def test_only_what_is_absent_is_missing(files: SecretFiles) -> None:
    (files.folder / "b").write_text("x")
    assert files.missing(["c", "b", "a"]) == ["a", "c"]
