"""Decisions of the fork server about a slot: fork the next process, kill it or give up."""

import signal
import threading

import pytest

from cognitive_runtime.bootstrap.exit_codes import JobExit
from cognitive_runtime.bootstrap.fork_server import (
    ALIVE,
    CONNECTED,
    CRASHED,
    ForkPolicy,
    ForkUnsafeError,
    Slot,
    check_single_thread,
    thread_names,
)


def slot() -> Slot:
    return Slot(0, ForkPolicy(first_backoff_s=0.5, max_backoff_s=4.0), pid=7, pipe=3)


def test_an_attempt_that_ended_has_the_next_process_forked_at_once() -> None:
    found = slot()
    found.back_off(90.0)
    found.record_exit(JobExit.DONE, 100.0)
    assert (found.pid, found.due_s, found.backoff_s) == (0, 100.0, 0.0)


@pytest.mark.parametrize("code", [CRASHED, -signal.SIGKILL, JobExit.NOT_PUBLISHED, JobExit.BROKER_UNREACHABLE])
def test_a_process_that_died_is_replaced_after_a_pause_that_doubles_to_its_maximum(code: int) -> None:
    found, pauses = slot(), []
    for _ in range(5):
        found.record_exit(code, 100.0)
        pauses.append(found.due_s - 100.0)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 4.0]


def test_a_process_that_reaches_the_broker_ends_the_pauses_and_the_giving_up() -> None:
    found = slot()
    found.record_exit(JobExit.CREDENTIALS_NOT_MOUNTED, 100.0)
    assert found.given_up == JobExit.CREDENTIALS_NOT_MOUNTED
    found.record_heartbeats(ALIVE, 101.0)
    assert found.given_up == JobExit.CREDENTIALS_NOT_MOUNTED
    found.record_heartbeats(ALIVE + CONNECTED, 102.0)
    assert (found.backoff_s, found.beat_s) == (0.0, 102.0)
    assert found.given_up is None


def test_a_process_without_a_heartbeat_for_15_s_is_killed() -> None:
    found = slot()
    found.record_heartbeats(ALIVE, 100.0)
    assert not found.is_unresponsive(115.0)
    assert found.is_unresponsive(115.1)
    found.record_exit(CRASHED, 115.2)
    assert not found.is_unresponsive(200.0)


def test_a_process_with_another_thread_refuses_to_fork() -> None:
    ending = threading.Event()
    other = threading.Thread(target=ending.wait)
    other.start()
    try:
        assert len(thread_names()) > 1
        with pytest.raises(ForkUnsafeError, match=r"has \d+ threads .*, and can only be forked with one"):
            check_single_thread(limit_s=0.0)
    finally:
        ending.set()
        other.join()


def test_a_thread_that_has_just_ended_is_waited_for() -> None:
    found = [["python", "python"], ["python", "python"], ["python"]]
    check_single_thread(lambda: found.pop(0))
    assert found == []
