"""Measures writes per task, memory, import time and the run time of an empty Ray job."""

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
"""Verbs of the audit log that write an existing task; the creation is the user's."""
POLL_S = 0.05


def task_writes(audit_log: Path) -> Counter[str]:
    """Return the number of writes to each task object after its creation."""
    writes: Counter[str] = Counter()
    with audit_log.open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            target = entry.get("objectRef", {})
            if target.get("resource") == "cognitivetasks" and entry["verb"] in WRITES:
                writes[target["name"]] += 1
    return writes


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"/proc/{pid}/status has no VmRSS line: the process has ended")


def import_seconds(module: str) -> float:
    """Return the import time of a module in a new Python process, without the interpreter's start."""
    script = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(done.stdout)


def raw_ray_job_seconds(head: RayHead, number: int) -> float:
    """Return the seconds from submitting an empty Ray job to its end."""
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
