"""Fork server: keeps child processes that are forked from one process in which everything is imported."""

import contextlib
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from cognitive_runtime.bootstrap.exit_codes import JobExit

_LOGGER: Final = logging.getLogger(__name__)
DRAINED: Final = 64
"""Exit status of a child that was told to drain: the server forks no other, and ends after the last child."""
CRASHED: Final = 1
"""Exit status of a child that failed, and is replaced after a pause."""
GAVE_UP: Final = frozenset({JobExit.BROKER_UNREACHABLE, JobExit.CREDENTIALS_NOT_MOUNTED})
"""Exit status of a child that has not reached the broker. The server ends when its children all end so."""
CONNECTED: Final = b"+"
"""Heartbeat of a child that is connected to the broker."""
ALIVE: Final = b"."
"""Heartbeat of any other child."""
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_TASKS: Final = Path("/proc/self/task")
"""Folder with an entry for each thread, also those of libraries in C. Linux only."""
_PIPE_BYTES: Final = 4096
_THREAD_POLL_S: Final = 0.01


class ForkUnsafeError(Exception):
    """The process has other threads, whose locks a child would inherit locked."""


@dataclass(frozen=True)
class ForkPolicy:
    """Intervals and time limits of a fork server, in seconds."""

    unresponsive_s: float = 15.0
    """A child without a heartbeat for this long is killed: its event loop is blocked, and its lease is lost."""
    first_backoff_s: float = 0.5
    max_backoff_s: float = 30.0
    kill_after_s: float = 0.5
    """Time beyond the grace period after which children are killed when the server ends."""


@dataclass
class Slot:
    """Place of one child, and the decision when the next one is forked."""

    index: int
    policy: ForkPolicy = field(default_factory=ForkPolicy)
    pid: int = 0
    """0: there is no child."""
    pipe: int = -1
    """File descriptor that reads the child's heartbeats."""
    beat_s: float = 0.0
    """Monotonic seconds of the last heartbeat."""
    due_s: float = 0.0
    """Monotonic seconds before which no child is forked."""
    backoff_s: float = 0.0
    given_up: int | None = None
    """Exit status of the last child if it did not reach the broker."""

    def record_heartbeats(self, beats: bytes, now_s: float) -> None:
        """Record heartbeats."""
        self.beat_s = now_s
        if CONNECTED in beats:
            self.given_up, self.backoff_s = None, 0.0

    def record_exit(self, code: int, now_s: float) -> None:
        """Record the end of the child: at once another one after an attempt, otherwise after a growing pause."""
        self.pid, self.pipe = 0, -1
        self.given_up = code if code in GAVE_UP else None
        if code == JobExit.DONE:
            self.due_s, self.backoff_s = now_s, 0.0
            return
        self.back_off(now_s)

    def back_off(self, now_s: float) -> None:
        """Fork the next child after a pause, which doubles each time up to the policy's maximum."""
        self.backoff_s = min(2 * self.backoff_s or self.policy.first_backoff_s, self.policy.max_backoff_s)
        self.due_s = now_s + self.backoff_s

    def is_unresponsive(self, now_s: float) -> bool:
        """Return True if the child has to be killed."""
        return self.pid != 0 and now_s - self.beat_s > self.policy.unresponsive_s


@dataclass
class ForkServer:
    """Keeps ``size`` children until one of them drains, all have given up the broker, or this process is told to end.

    ``run_child`` runs in each child, with the slot's index and the file descriptor for its heartbeats, and returns the
    exit status. A child whose server has ended gets ``BrokenPipeError`` when it writes a heartbeat.
    """

    run_child: Callable[[int, int], int]
    size: int
    grace_s: float
    policy: ForkPolicy = field(default_factory=ForkPolicy)
    _slots: list[Slot] = field(default_factory=list)
    _wakeup: tuple[socket.socket, socket.socket] | None = None
    _is_draining: bool = False
    _is_told_to_end: bool = False

    def run(self) -> JobExit:
        """Keep the children and return the exit status of this process.

        Raises:
            ForkUnsafeError: This process has more than one thread.
        """
        check_single_thread()
        self._slots = [Slot(index, self.policy) for index in range(self.size)]
        self._handle_signals()
        while not self._is_told_to_end and self._is_needed:
            self._fork_due()
            self._observe(self._wait_s())
        self._end()
        return self._exit()

    def _handle_signals(self) -> None:
        """Have signals end ``_observe`` at once."""
        self._wakeup = reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        self._is_told_to_end = True

    @property
    def _is_needed(self) -> bool:
        if self._is_draining:
            return any(slot.pid for slot in self._slots)
        return any(slot.given_up is None for slot in self._slots)

    def _exit(self) -> JobExit:
        given_up = self._slots[-1].given_up
        if self._is_told_to_end or self._is_draining or given_up is None:
            return JobExit.DONE
        return JobExit(given_up)

    def _wait_s(self) -> float:
        """Return the seconds until a child is due, or may have become unresponsive."""
        alive = [slot.beat_s + self.policy.unresponsive_s for slot in self._slots if slot.pid]
        due = [slot.due_s for slot in self._slots if not slot.pid and not self._is_draining]
        return max(0.0, min(alive + due) - time.monotonic())

    def _fork_due(self) -> None:
        for slot in self._slots:
            if not slot.pid and not self._is_draining and slot.due_s <= time.monotonic():
                self._fork(slot)

    def _fork(self, slot: Slot) -> None:
        reader, writer = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # a child unblocks them once it handles them itself
        pid = _fork()
        if pid == 0:
            os.close(reader)
            self._become_child(slot.index, writer)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(writer)
        if pid is None:
            os.close(reader)
            slot.back_off(time.monotonic())
            return
        slot.pid, slot.pipe, slot.beat_s = pid, reader, time.monotonic()

    def _become_child(self, index: int, pipe: int) -> NoReturn:
        """Run the child in the forked process, and exit without the cleanup of the server's own objects."""
        code = CRASHED
        try:
            self._release_inherited()
            code = self.run_child(index, pipe)
        except BaseException as error:
            _LOGGER.error("a warm slot failed", exc_info=error, extra={"event": "SlotFailed"})
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _release_inherited(self) -> None:
        """Close the pipes of other children, and what wakes the server."""
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for end in self._wakeup or ():
            end.close()
        for other in self._slots:
            if other.pipe >= 0:
                os.close(other.pipe)

    def _observe(self, wait_s: float) -> None:
        """Wait for heartbeats, ends of children and signals; kill unresponsive children."""
        wakeup = [end.fileno() for end in (self._wakeup or ())[:1]]
        pipes = {slot.pipe: slot for slot in self._slots if slot.pid}
        readable, _, _ = select.select([*wakeup, *pipes], [], [], wait_s)
        for each in readable:
            if each in pipes:
                self._read(pipes[each])
            else:
                os.read(each, _PIPE_BYTES)
        for slot in self._slots:
            if slot.is_unresponsive(time.monotonic()):
                _LOGGER.error("killing an unresponsive slot", extra={"event": "SlotKilled", "pid": slot.pid})
                os.kill(slot.pid, signal.SIGKILL)
                slot.beat_s = time.monotonic()

    def _read(self, slot: Slot) -> None:
        beats = os.read(slot.pipe, _PIPE_BYTES)
        if beats:
            slot.record_heartbeats(beats, time.monotonic())
            return
        os.close(slot.pipe)
        pid, status = os.waitpid(slot.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self._is_draining = self._is_draining or code == DRAINED
        if code not in (JobExit.DONE, DRAINED) and not self._is_told_to_end:
            _LOGGER.warning("replacing a slot", extra={"event": "SlotReplaced", "pid": pid, "exit_code": code})
        slot.record_exit(code, time.monotonic())

    def _end(self) -> None:
        """End the children within the grace period, and kill those that remain."""
        for number, limit_s in ((signal.SIGTERM, self.grace_s + self.policy.kill_after_s), (signal.SIGKILL, 1.0)):
            until_s = time.monotonic() + limit_s
            for slot in self._slots:
                if slot.pid:
                    os.kill(slot.pid, number)
            while any(slot.pid for slot in self._slots) and time.monotonic() < until_s:
                self._observe(until_s - time.monotonic())


def thread_names() -> list[str]:
    """Return the names of this process's threads; empty on a system without /proc."""
    names: list[str] = []
    for task in _TASKS.glob("*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has just ended
            names.append((task / "comm").read_text(encoding="utf-8").strip())
    return sorted(names)


def check_single_thread(names: Callable[[], list[str]] = thread_names, limit_s: float = 2.0) -> None:
    """Check that this process may be forked. Waits for threads that end: a joined one may exist for a moment longer.

    Raises:
        ForkUnsafeError: It has more than one thread after ``limit_s``; the message names them.
    """
    until_s = time.monotonic() + limit_s
    while len(found := names()) > 1:
        if time.monotonic() >= until_s:
            raise ForkUnsafeError(
                f"The process of warm slots has {len(found)} threads ({', '.join(found)}), and can only be forked with "
                "one. Remove what starts threads in the image, such as a sitecustomize module of a profiler."
            )
        time.sleep(_THREAD_POLL_S)


def _fork() -> int | None:
    """Fork; return None if the system refuses it."""
    try:
        return os.fork()
    except OSError as error:
        _LOGGER.error("cannot fork a warm slot", extra={"event": "ForkFailed", "reason": error.strerror})
        return None
