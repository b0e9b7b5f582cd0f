"""The HTTP API of ``cognitive-runtime serve``: an incident, its analysis, and a stream."""

import json
import sys
import urllib.request
from typing import Any

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8002"


def post(path: str, body: dict[str, Any], accept: str = "application/json") -> Any:
    """Open a call."""
    headers = {"Content-Type": "application/json", "Accept": accept}
    return urllib.request.urlopen(urllib.request.Request(URL + path, json.dumps(body).encode(), headers), timeout=120)


with post("/mfb/incidents", {"error_message": "connection refused by db-7:5432"}) as reply:
    incident_id = json.load(reply)["incident_id"]
with post("/dspy/reason-about-failure", {"incident_id": incident_id}) as reply:
    print(json.load(reply)["proposed_solution"])
with post("/dspy/solve-problem", {"problem_statement": "Queries take 4 s"}, "text/event-stream") as reply:
    for line in reply:
        print(line.decode().rstrip())
