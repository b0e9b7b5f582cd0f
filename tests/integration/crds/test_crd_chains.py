"""The API server's checks of tasks that depend on others."""

from typing import Any

import pytest

from support.builders.crd_objects import task
from support.cluster.api_client import ApiError, Namespace
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
def test_a_wrong_dependency_is_refused(default: Namespace, needs: list[dict[str, str]], said: str) -> None:
    message = default.refusal(task(dependsOn=needs))
    assert "spec.dependsOn" in message
    assert said in message


@pytest.mark.parametrize(
    ("given", "need"),
    [
        ({"error_message": "x", "scan": 1}, {"name": "scan"}),
        ({"error_message": "x", "log_scan_1": 1}, {"name": "log-scan.1"}),
        ({"error_message": "x"}, {"name": "a", "as": "error_message"}),
    ],
)
def test_a_result_under_a_key_that_is_given_is_refused(
    default: Namespace, given: dict[str, Any], need: dict[str, str]
) -> None:
    def refused() -> bool:  # a ValidatingAdmissionPolicy takes effect a moment after it was created
        try:
            default.create(task(input=given, dependsOn=[need]), dry_run=True)
        except ApiError as error:
            return "puts a result under a key that spec.input has already" in str(error)
        return False

    assert eventually(refused)


def test_dependencies_beside_other_keys_are_accepted(default: Namespace) -> None:
    needs = [{"name": f"n-{n}"} for n in range(15)] + [{"name": "m", "as": "scan"}]
    default.create(task(input={"error": "x"}, dependsOn=needs), dry_run=True)
