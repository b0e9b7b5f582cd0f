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


def test_a_key_of_the_shared_secret_is_read_where_the_agents_own_file_is_absent(files: SecretFiles) -> None:
    (files.root / "a1.llm-api-key").write_text("shared")
    (files.root / "a10.llm-api-key").write_text("of another agent")
    assert (files.read("llm-api-key"), files.missing(["llm-api-key"])) == ("shared", [])
    (files.folder / "llm-api-key").write_text("own")
    assert files.read("llm-api-key") == "own"


def test_an_empty_file_of_the_agents_own_is_not_passed_over(files: SecretFiles) -> None:
    (files.root / "a1.key").write_text("shared")
    (files.folder / "key").write_text("")
    with pytest.raises(CredentialsNotMounted, match="a1/key is empty"):
        files.read("key")


def test_all_files_of_the_agent_are_listed_and_none_of_another(files: SecretFiles) -> None:
    for path in ("a1/nats.creds", "a1/..data", "a1.redis-url", "a1.nats.creds", "a10.redis-url", "a2.redis-url"):
        (files.root / path).write_text("x")
    assert files.files() == {"nats.creds": files.folder / "nats.creds", "redis-url": files.root / "a1.redis-url"}
