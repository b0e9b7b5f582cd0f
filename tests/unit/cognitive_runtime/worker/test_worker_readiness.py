import pytest

from cognitive_runtime.adapters.worker.readiness import ReadinessFacts, check_ready
from cognitive_runtime.domain.execution import ServeProblem

TAKEN = ServeProblem("RouteTaken", "the route /cognitive/team/sre belongs to another application")


def test_a_worker_without_troubles_is_ready() -> None:
    assert check_ready(ReadinessFacts()) is None


@pytest.mark.parametrize(
    ("found", "reason", "pulls", "names"),
    [
        (ReadinessFacts(draining=True), "Draining", False, "ends"),
        (ReadinessFacts(stuck_attempt="t1.1"), "Wedged", False, "t1.1"),
        (ReadinessFacts(crashed="KeyError"), "Crashed", False, "KeyError"),
        (ReadinessFacts(missing_secrets=("a", "b")), "CredentialsNotMounted", False, "a, b"),
        (ReadinessFacts(loading=True), "Loading", False, "imports"),
        (ReadinessFacts(application_problem=TAKEN), "RouteTaken", False, "/cognitive/team/sre"),
        (ReadinessFacts(source_problem="Consumer a1 is gone."), "ConsumerMissing", True, "a1"),
        (ReadinessFacts(refused_secret="key"), "CredentialsNotMounted", True, "key"),
    ],
)
def test_each_trouble_has_its_reason_and_names_its_object(
    found: ReadinessFacts, reason: str, pulls: bool, names: str
) -> None:
    why_not = check_ready(found)
    assert why_not is not None
    assert (why_not.reason, why_not.pulls) == (reason, pulls)
    assert names in why_not.message


def test_what_ends_the_worker_comes_before_what_may_pass() -> None:
    found = ReadinessFacts(draining=True, stuck_attempt="t1.1", missing_secrets=("a",), source_problem="gone")
    why_not = check_ready(found)
    assert why_not is not None
    assert why_not.reason == "Draining"
