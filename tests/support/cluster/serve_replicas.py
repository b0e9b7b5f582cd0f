"""Replicas of Ray Serve on this machine, for tests that kill them."""

import subprocess


def replica_pids(application: str) -> list[int]:
    """Return the process ids of an application's replicas."""
    pattern = f"^ray::ServeReplica:{application}"
    listed = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False)
    return [int(pid) for pid in listed.stdout.split()]
