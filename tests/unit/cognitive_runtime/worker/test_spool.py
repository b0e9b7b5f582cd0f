import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from cognitive_runtime.adapters.spool import Spool, SpooledResponse

RESPONSE = SpooledResponse(
    "t1.1", "agent.response.completed.default.a1.t1.1", '{"result":"故障"}', {"Nats-Msg-Id": "x"}
)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", "a1")


def test_a_response_is_kept_for_the_executors_user_alone(spool: Spool, tmp_path: Path) -> None:
    path = spool.save(RESPONSE)
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["t1.1.json"]


def test_what_was_saved_is_left_over_until_it_is_removed(spool: Spool) -> None:
    path = spool.save(RESPONSE)
    assert list(spool.pending()) == [(path, RESPONSE)]
    spool.remove(path)
    assert list(spool.pending()) == []
    spool.remove(path)
    spool.remove(None)


def test_nothing_is_left_over_where_nothing_was_saved(spool: Spool) -> None:
    assert list(spool.pending()) == []


def test_agents_do_not_see_each_others_responses(spool: Spool, tmp_path: Path) -> None:
    spool.save(RESPONSE)
    assert list(Spool(tmp_path / "spool", "a2").pending()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"attempt_id": "t1.1"}', b"\xff"])
def test_an_unreadable_file_is_set_aside(spool: Spool, content: bytes) -> None:
    path = spool.save(RESPONSE)
    assert path is not None
    path.write_bytes(content)
    assert list(spool.pending()) == []
    assert [file.name for file in path.parent.iterdir()] == ["t1.1.rejected"]


def test_a_disk_that_takes_nothing_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    assert Spool(tmp_path / "spool", "a1").save(RESPONSE) is None


def test_a_response_with_objects_is_left_over_whole(spool: Spool) -> None:
    large = replace(
        RESPONSE,
        large_result="{}",
        large_result_name="t1.1",
        large_reasoning="故障",
        large_reasoning_name="t1.1.reasoning",
        further_objects={"t1.1.members": "[]"},
    )
    path = spool.save(large)
    assert list(spool.pending()) == [(path, large)]
    assert large.objects == {"t1.1": b"{}", "t1.1.reasoning": "故障".encode(), "t1.1.members": b"[]"}


def test_a_response_without_objects_is_readable_for_older_executors(spool: Spool) -> None:
    path = spool.save(RESPONSE)
    assert path is not None
    assert set(json.loads(path.read_bytes())) == {"attempt_id", "subject", "payload", "headers"}
    assert RESPONSE.objects == {}


def test_a_response_of_an_older_executor_is_left_over(spool: Spool) -> None:
    path = spool.save(RESPONSE)
    assert path is not None
    names = ("large_result", "large_result_name", "claim_key", "claim_value")
    path.write_text(json.dumps(json.loads(path.read_bytes()) | dict.fromkeys(names)))
    assert list(spool.pending()) == [(path, RESPONSE)]
