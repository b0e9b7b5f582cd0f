"""Large specs: what plain `kubectl apply` takes, and how long they take."""

import json
import time
from typing import Any

import pytest

from controlplane import Kubectl
from support.builders.crd_objects import task

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("crds")]
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
def test_the_largest_spec_works_with_plain_apply(kubectl: Kubectl, shape: str) -> None:
    manifest = SHAPES[shape]
    assert spec_bytes(manifest) == MAX_SPEC_BYTES
    body = json.dumps(manifest, ensure_ascii=False)
    durations = [_timed(kubectl, "apply", "-f", "-", stdin=body), _timed(kubectl, "get", "ctask", "why", "-o", "json")]
    patch = '{"status":{"phase":"Running"}}'
    durations.append(_timed(kubectl, "patch", "ctask", "why", "--subresource=status", "--type=merge", "-p", patch))
    assert max(durations) < QUICK_S, durations
    assert kubectl.json("get", "ctask", "why")["spec"] == manifest["spec"]


def test_a_larger_one_reaches_the_operator_which_refuses_it(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=json.dumps(task(input={"error_message": "x" * 700_000})))
    patch = '{"status":{"phase":"Failed","reason":"InputTooLarge"}}'
    kubectl("patch", "ctask", "why", "--subresource=status", "--type=merge", "-p", patch)
    assert kubectl("get", "ctask", "why", "-o", "jsonpath={.status.reason}") == "InputTooLarge"


def _timed(kubectl: Kubectl, *arguments: str, stdin: str | None = None) -> float:
    begin = time.monotonic()
    kubectl(*arguments, stdin=stdin)
    return time.monotonic() - begin
