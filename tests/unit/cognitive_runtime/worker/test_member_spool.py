"""Answers of finished members on the worker's disk."""

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from cognitive_runtime.adapters.member_spool import MAX_AGE_S, MemberSpool
from cognitive_runtime.domain import ExecutionRequest, Member, ModelCalls, ModelEndpoint, Reasoning, Usage
from support.builders.runtime_requests import execution_request

FOUND = Reasoning(
    {"a": [1, None, "é"]},
    "t",
    0.5,
    None,
    Usage(1, 2, 3),
    ModelCalls(2, 1, 5, (10, 20)),
    ModelEndpoint("openai", "m", "http://m"),
)


def request(number: int = 1, task_uid: str = "uid", **fields: Any) -> ExecutionRequest:
    return execution_request(member=Member(number, True), task_uid=task_uid, **fields)


def test_an_answer_is_read_as_it_was_stored_by_any_later_attempt(tmp_path: Path) -> None:
    MemberSpool(tmp_path, "1").save(request(), FOUND)
    assert MemberSpool(tmp_path, "1").load(request(attempt=3, token_budget=5)) == FOUND
    assert MemberSpool(tmp_path, "1").load(request(2)) is None


def test_the_memory_of_the_worker_makes_no_other_request(tmp_path: Path) -> None:
    spool = MemberSpool(tmp_path, "1")
    spool.save(request(), FOUND)
    remembered: dict[str, Any] = {"context": {"memory": {"memory_hits": 1}}, "context_sources": {"memory": "executor"}}
    assert spool.load(request(**remembered)) == FOUND
    assert spool.load(request(context=remembered["context"], context_sources={"memory": "task"})) is None


def test_only_the_user_of_the_executor_can_read_an_answer(tmp_path: Path) -> None:
    MemberSpool(tmp_path, "1").save(request(), FOUND)
    (path,) = tmp_path.rglob("1.json")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_an_unreadable_answer_is_none_and_one_that_cannot_be_stored_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = MemberSpool(tmp_path, "1")
    spool.save(request(), FOUND)
    (path,) = tmp_path.rglob("1.json")
    for content in ("{", "[]", '{"key": 1}'):
        path.write_text(content)
        assert spool.load(request()) is None
    with caplog.at_level(logging.WARNING):
        MemberSpool(path, "1").save(request(), FOUND)
    assert "cannot store the answer of a member" in caplog.text


def test_answers_are_removed_with_their_task_and_after_a_day(tmp_path: Path) -> None:
    spool = MemberSpool(tmp_path, "1")
    for uid in ("old", "young"):
        spool.save(request(task_uid=uid), FOUND)
    (folder,) = tmp_path.rglob("old")
    past = folder.stat().st_mtime - MAX_AGE_S - 1
    os.utime(folder, (past, past))
    spool.save(request(task_uid="new"), FOUND)
    assert sorted(path.parent.name for path in tmp_path.rglob("*.json")) == ["new", "young"]
    spool.clear(request(task_uid="new"))
    assert [path.parent.name for path in tmp_path.rglob("*.json")] == ["young"]
