"""The processes of an agent's executor on this machine, for tests that kill them."""

import subprocess
from pathlib import Path


def executor_pids(agent_uid: str) -> list[int]:
    """Return the process ids of the executor's job and of its workers."""
    workers = [pid for pid in _pids_of("ray::WorkerActor") if _serves(pid, agent_uid)]
    return _pids_of(f"cognitive_runtime executor .*{agent_uid}") + workers


def _pids_of(pattern: str) -> list[int]:
    listed = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False)
    return [int(pid) for pid in listed.stdout.split()]


def _serves(pid: int, agent_uid: str) -> bool:
    """Tell whether a worker process belongs to the agent's executor, by the submission id in its environment."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"ca-{agent_uid}-".encode() in environment
