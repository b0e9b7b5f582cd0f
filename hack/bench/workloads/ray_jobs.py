"""Raw Ray jobs over Ray's Jobs REST API."""

import json
import time
import urllib.request
import uuid
from typing import Any

POLL_S = 0.05
TIMEOUT_S = 120.0


def raw_ray_job_ms(dashboard: str) -> float:
    """Return the time from submitting an empty Ray job to its end in milliseconds, POLL_S exact.

    Raises:
        RuntimeError: The job failed.
        TimeoutError: The job did not end within TIMEOUT_S.
    """
    jobs, name = f"{dashboard}/api/jobs/", f"bench-raw-{uuid.uuid4().hex[:8]}"
    began = time.monotonic()
    _call(jobs, {"entrypoint": "true", "submission_id": name})
    while (status := _call(jobs + name)["status"]) != "SUCCEEDED":
        if status in ("FAILED", "STOPPED"):
            raise RuntimeError(f"the empty Ray job {name} ended as {status}")
        if time.monotonic() - began > TIMEOUT_S:
            raise TimeoutError(f"the empty Ray job {name} is {status} after {TIMEOUT_S:g} s")
        time.sleep(POLL_S)
    return (time.monotonic() - began) * 1000


def submitted_at_s(dashboard: str, submission_id: str) -> float:
    """Return the time at which Ray accepted a submission, in seconds since 1970."""
    return float(_call(f"{dashboard}/api/jobs/{submission_id}")["start_time"]) / 1000


def _call(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())
