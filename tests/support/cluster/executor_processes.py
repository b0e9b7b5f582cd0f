"""The processes of an agent's executor on this machine, for tests that kill them."""

import subprocess
from pathlib import Path


def executor_pids(agent_uid: str) -> list[int]:
    """Return the process ids of the executor's job and of its workers."""
    return _pids_of(f"cognitive_runtime executor .*{agent_uid}") + _actor_pids("WorkerActor", f"ca-{agent_uid}-")


def actor_pid(actor: str, submission_id: str) -> int:
    """Return the process of the one actor of a class that a job has."""
    (found,) = _actor_pids(actor, f"COGNITIVE_SUBMISSION_ID={submission_id}")
    return found


def _actor_pids(actor: str, mark: str) -> list[int]:
    """Return an actor's processes whose environment holds a mark: nobody else's are meant."""
    return [pid for pid in _pids_of(f"^ray::{actor}") if mark.encode() in _environment(pid)]


def _pids_of(pattern: str) -> list[int]:
    listed = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False)
    return [int(pid) for pid in listed.stdout.split()]


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
