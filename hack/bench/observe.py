"""What is measured beside the tasks' own times."""

import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from servers.ray_head import RayHead

WRITES = ("update", "patch")
"""Of a task that exists: its creation is the user's own."""
POLL_S = 0.05


def task_writes(audit_log: Path) -> Counter[str]:
    """Return how often each task object was written after its creation."""
    writes: Counter[str] = Counter()
    with audit_log.open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            target = entry.get("objectRef", {})
            if target.get("resource") == "cognitivetasks" and entry["verb"] in WRITES:
                writes[target["name"]] += 1
    return writes


def resident_mb(pid: int) -> float:
    """Return the memory that a process holds, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"process {pid} has no memory")


def import_seconds(module: str) -> float:
    """Return how long a new Python takes to import a module, without its own start."""
    script = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(done.stdout)


def raw_ray_job_seconds(head: RayHead, number: int) -> float:
    """Return how long Ray takes from the submission of a job that does nothing to its end."""
    jobs = f"{head.address}/api/jobs/"
    name = f"bench-raw-{number}"
    began = time.monotonic()
    _call(jobs, {"entrypoint": "true", "submission_id": name})
    while _call(jobs + name)["status"] not in ("SUCCEEDED", "FAILED"):
        time.sleep(POLL_S)
    return time.monotonic() - began


def _call(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())
