"""No write gets past the rule about the input, which is skipped when the number of fields in the status changes."""

from typing import Any

import pytest

from support.builders.crd_objects import INPUTS, task
from support.cluster.api_client import ApiError, Namespace, Request

pytestmark = pytest.mark.integration
INPUT = INPUTS["FailureAnalysis"]
CHANGED = {**INPUT, "incident_id": "another"}
"""An input with one more declared key, as the policy about undeclared keys is not what these tests are about."""
REFUSED = "spec.input: Forbidden: spec.input cannot be changed, added or removed after creation; create another task"
"""Refusal of the CRD's own rule; that of the policy names no field before the message."""
NO_STATUS: dict[str, Any] = {}
STATUSES = [NO_STATUS, {"phase": "Running"}]
WRITTEN = [None, {"phase": "Failed"}, {"phase": "Failed", "reason": "InternalError", "attempt": 1}]


def stored(home: Namespace, status: dict[str, Any]) -> dict[str, Any]:
    """Create a task with a status and return it as it is stored."""
    home.create(task())
    if status:
        home.patch("CognitiveTask", "why/status", {"status": status})
    return home.get("CognitiveTask", "why")


@pytest.mark.parametrize("written", WRITTEN, ids=str)
@pytest.mark.parametrize("status", STATUSES, ids=str)
def test_a_patch_of_the_input_and_the_status_is_refused(
    home: Namespace, status: dict[str, Any], written: dict[str, Any] | None
) -> None:
    stored(home, status)
    change = {"spec": {"input": CHANGED}, "status": written}
    assert REFUSED in home.refused_change("CognitiveTask", "why", change)


@pytest.mark.parametrize("status", STATUSES, ids=str)
def test_a_task_with_another_input_cannot_replace_one_by_its_status(home: Namespace, status: dict[str, Any]) -> None:
    whole = stored(home, status)
    whole["spec"]["input"] = CHANGED
    for written in ({}, {"status": {"phase": "Failed", "reason": "InternalError"}}):
        replacement = {name: value for name, value in whole.items() if name != "status"} | written
        with pytest.raises(ApiError) as refused:
            home.api(Request("PUT", home.path("CognitiveTask", "why"), replacement))
        assert REFUSED in refused.value.message


@pytest.mark.parametrize("written", WRITTEN[1:], ids=str)
@pytest.mark.parametrize("status", STATUSES, ids=str)
def test_a_write_of_the_status_leaves_the_input_alone(
    home: Namespace, status: dict[str, Any], written: dict[str, Any]
) -> None:
    before = stored(home, status)
    home.patch("CognitiveTask", "why/status", {"spec": {"input": CHANGED}, "status": written})
    after = home.get("CognitiveTask", "why")
    assert (after["spec"], after["status"]) == (before["spec"], status | written)
