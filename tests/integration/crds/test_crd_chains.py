"""What the API server makes of tasks that depend on others."""

import json
from typing import Any

import pytest

from controlplane import Kubectl
from controlplane.kubectl import KubectlError
from support.builders.crd_objects import task
from support.eventually import eventually

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ([{"name": "why"}], "names the task itself"),
        ([{"name": "a"}, {"name": "a", "as": "b"}], "Duplicate value"),
        ([{"name": "a-b"}, {"name": "a.b"}], "two results for the same key"),
        ([{"name": "a"}, {"name": "b", "as": "a"}], "two results for the same key"),
        ([{"name": "a", "as": "a b"}], "should match"),
        ([{"name": "a", "as": ""}], "at least 1 char"),
        ([{"as": "a"}], "Required"),
        ([{"name": f"n{n}"} for n in range(17)], "at most 16 items"),
    ],
)
def test_a_wrong_dependency_is_refused(client: Kubectl, needs: list[dict[str, str]], said: str) -> None:
    with pytest.raises(KubectlError) as error:
        client("create", "--dry-run=server", "-f", "-", stdin=json.dumps(task(dependsOn=needs)))
    assert "spec.dependsOn" in str(error.value)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("given", "need"),
    [
        ({"error_message": "x", "scan": 1}, {"name": "scan"}),
        ({"error_message": "x", "log_scan_1": 1}, {"name": "log-scan.1"}),
        ({"error_message": "x"}, {"name": "a", "as": "error_message"}),
    ],
)
def test_a_result_under_a_key_that_is_given_is_refused(
    client: Kubectl, given: dict[str, Any], need: dict[str, str]
) -> None:
    def refused() -> bool:  # a ValidatingAdmissionPolicy takes effect a moment after it was created
        manifest = json.dumps(task(input=given, dependsOn=[need]))
        try:
            client("create", "--dry-run=server", "-f", "-", stdin=manifest)
        except KubectlError as error:
            return "puts a result under a key that spec.input has already" in str(error)
        return False

    assert eventually(refused)


def test_dependencies_beside_other_keys_are_accepted(client: Kubectl) -> None:
    needs = [{"name": f"n-{n}"} for n in range(15)] + [{"name": "m", "as": "scan"}]
    client("create", "--dry-run=server", "-f", "-", stdin=json.dumps(task(input={"error": "x"}, dependsOn=needs)))
