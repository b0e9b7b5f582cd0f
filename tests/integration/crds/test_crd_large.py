"""The largest specs that plain `kubectl apply` accepts, and the time that they take."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from controlplane import Kubectl
from support.builders.crd_objects import task
from support.cluster.api_client import Namespace

pytestmark = pytest.mark.integration
KIND = "CognitiveTask"
MAX_SPEC_BYTES = 192 * 1024
QUICK_S = 10.0
"""Bound of one request with kubectl's own start on a busy machine; on an idle one it takes 0.2 to 1.1 s."""


def spec_bytes(manifest: dict[str, Any]) -> int:
    return len(json.dumps(manifest["spec"], ensure_ascii=False, separators=(",", ":")).encode())


def filled(manifest: dict[str, Any], text: str = "故障 log line 7 \t") -> dict[str, Any]:
    """Fill incident_id until the spec has exactly the largest size."""
    manifest["spec"]["input"]["incident_id"] = ""
    room = MAX_SPEC_BYTES - spec_bytes(manifest)
    unit = len(json.dumps(text, ensure_ascii=False).encode()) - 2
    manifest["spec"]["input"]["incident_id"] = text * (room // unit) + "x" * (room % unit)
    return manifest


SHAPES = {
    "one text": filled(task()),
    "many keys": filled(task(input={"error_message": "x", "agent_state": {f"k{n}": n for n in range(9000)}}), "x"),
    "many fragments": filled(
        task(
            kind_of="MemorySynthesis",
            input={
                "memory_fragments": [{"content": "OOM", "timestamp": n} for n in range(5000)],
                "synthesis_goal": "x",
            },
        ),
        "x",
    ),
    "many undeclared keys": filled(task(input={"error_message": "x"} | {f"k{n}": "v" * 20 for n in range(5000)}), "x"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_largest_spec_works_with_plain_apply(kubectl: Kubectl, home: Namespace, shape: str) -> None:
    manifest = SHAPES[shape]
    assert spec_bytes(manifest) == MAX_SPEC_BYTES
    body = json.dumps(manifest, ensure_ascii=False)
    durations = [
        _timed(lambda: kubectl("apply", "-f", "-", stdin=body)),
        _timed(lambda: home.get(KIND, "why")),
        _timed(lambda: home.patch(KIND, "why/status", {"status": {"phase": "Running"}})),
    ]
    assert max(durations) < QUICK_S, durations
    assert home.get(KIND, "why")["spec"] == manifest["spec"]


def test_a_larger_one_reaches_the_operator_which_refuses_it(home: Namespace) -> None:
    home.create(task(input={"error_message": "x" * 700_000}))
    home.patch(KIND, "why/status", {"status": {"phase": "Failed", "reason": "InputTooLarge"}})
    assert home.get(KIND, "why")["status"]["reason"] == "InputTooLarge"


def _timed(request: Callable[[], object]) -> float:
    begin = time.monotonic()
    request()
    return time.monotonic() - begin
