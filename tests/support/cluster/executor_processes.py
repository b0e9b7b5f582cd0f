"""The processes of an agent's executor on this machine, for tests that kill them."""

import os
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from support.cluster.ray_submissions import RaySubmissions


def executor_pids(agent_uid: str) -> list[int]:
    """Return the process ids of the executor's job and of its workers on a real head."""
    return _pids_of(f"cognitive_runtime executor .*{agent_uid}") + _actor_pids("WorkerActor", f"ca-{agent_uid}-")


def slot_pids(agent_uid: str) -> list[int]:
    """Return the forked processes of an agent's warm slots: those of the executor that have no child like them."""
    pids = _pids_of(f"cognitive_runtime executor .*{agent_uid}")
    parents = {_parent(pid) for pid in pids}
    return [pid for pid in pids if pid not in parents and _parent(pid) in pids]


def running_executor(address: str, agent_uid: str) -> set[int]:
    """Return the process ids of an agent's executor and of its workers, on a real head or on the double.

    Raises:
        AssertionError: The agent has no executor that runs.
    """
    jobs = [job for job in RaySubmissions(address).jobs() if job["submission_id"].startswith(f"ca-{agent_uid}-")]
    drivers = {int(job["driver_info"]["pid"]) for job in jobs if job["status"] == "RUNNING" and job["driver_info"]}
    found = drivers | set(executor_pids(agent_uid))  # Ray knows no driver of an executor that has not joined it
    assert found, f"agent {agent_uid}: no executor runs on {address}"
    return found


def kill(pids: Iterable[int]) -> None:
    """End processes by SIGKILL; those that have ended are no error."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def actor_pid(actor: str, submission_id: str) -> int:
    """Return the process of the one actor of a class that a job has."""
    (found,) = _actor_pids(actor, f"COGNITIVE_SUBMISSION_ID={submission_id}")
    return found


def _actor_pids(actor: str, mark: str) -> list[int]:
    """Return the pids of an actor's processes whose environment holds a mark."""
    return [pid for pid in _pids_of(f"^ray::{actor}") if mark.encode() in _environment(pid)]


def _pids_of(pattern: str) -> list[int]:
    listed = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False)
    return [int(pid) for pid in listed.stdout.split()]


def _parent(pid: int) -> int:
    """Return the process id of a process's parent, 0 if the process has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
