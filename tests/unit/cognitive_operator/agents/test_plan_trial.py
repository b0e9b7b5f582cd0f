"""The trial of a blocked agent: when one task may start, and when the cause by credentials expires."""

from dataclasses import replace
from typing import Any

import pytest

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.plan.agent.conditions import CREDENTIALS_NOT_CHECKED
from cognitive_operator.plan.agent.features import RETRY_RUNTIME_S, JobRuntime
from cognitive_operator.plan.agent.model.circuit_breaker import OpenCircuit
from cognitive_operator.plan.agent.trial import (
    CredentialsFacts,
    TrialFacts,
    credentials_condition,
    is_trial_due,
    renewed_circuit,
)

NOW_S = 1000.0
FOUND = Condition.true(AgentCondition.EXECUTOR_READY, Reason.AVAILABLE, "Found.")
MISSING = Condition.false(AgentCondition.EXECUTOR_READY, Reason.CREDENTIALS_NOT_MOUNTED, "no file")
DUE = OpenCircuit(Reason.CREDENTIALS_REFUSED, "correct the Secret", trial_at_s=NOW_S)
PAUSED = replace(DUE, trial_at_s=NOW_S + 0.1)
IN_TRIAL = DUE.half_open("a")


def runtime(age_s: float = RETRY_RUNTIME_S) -> JobRuntime:
    return JobRuntime("key", "1", frozenset(), NOW_S - age_s)


def credentials(condition: Condition = MISSING, age_s: float = 31.0, failures: int = 1) -> CredentialsFacts:
    return CredentialsFacts(condition, NOW_S - age_s, failures, 30.0, 300.0)


def facts(**changes: Any) -> TrialFacts:
    """Return the facts of an idle agent in Job mode with a waiting task and no cause to close its queue."""
    none_missing = CredentialsFacts(CREDENTIALS_NOT_CHECKED, float("-inf"), 0, 30.0, 300.0)
    return replace(TrialFacts(True, 0, 1, None, False, None, none_missing, NOW_S), **changes)


OUTDATED = {"is_outdated": True, "runtime": runtime()}
LACKING = {"credentials": credentials()}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"runtime": runtime()}, False),
        ({"credentials": credentials(FOUND)}, False),
        ({"open_circuit": DUE}, True),
        ({"open_circuit": DUE, "running": 1}, True),
        ({"open_circuit": DUE, "is_job": False}, True),
        ({"open_circuit": PAUSED}, False),
        ({"open_circuit": IN_TRIAL}, False),
        (OUTDATED, True),
        (OUTDATED | {"runtime": runtime(RETRY_RUNTIME_S - 0.1)}, False),
        (OUTDATED | {"runtime": None}, False),
        (OUTDATED | {"running": 1}, False),
        (OUTDATED | {"is_job": False}, False),
        (LACKING, True),
        (LACKING | {"credentials": credentials(age_s=30.0)}, False),
        (LACKING | {"running": 1}, False),
        (LACKING | {"is_job": False}, False),
        (LACKING | {"waiting": 0}, False),
        (OUTDATED | LACKING, True),
        (OUTDATED | {"credentials": credentials(age_s=30.0)}, False),
        (LACKING | OUTDATED | {"runtime": None}, False),
        (OUTDATED | LACKING | {"open_circuit": DUE}, True),
        (OUTDATED | LACKING | {"open_circuit": PAUSED}, False),
        (OUTDATED | {"open_circuit": DUE, "runtime": None}, False),
        (LACKING | {"open_circuit": DUE, "running": 1}, False),
    ],
)
def test_a_trial_is_due_once_each_cause_of_the_closed_queue_allows_it(changes: dict[str, Any], expected: bool) -> None:
    assert is_trial_due(facts(**changes)) is expected


@pytest.mark.parametrize(("failures", "backoff_s"), [(0, 30.0), (1, 30.0), (2, 60.0), (3, 120.0), (9, 300.0)])
def test_the_backoff_of_missing_credentials_doubles_up_to_its_maximum(failures: int, backoff_s: float) -> None:
    for age_s, expected in ((backoff_s, False), (backoff_s + 0.1, True)):
        assert is_trial_due(facts(credentials=credentials(age_s=age_s, failures=failures))) is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, MISSING),
        ({"waiting": 0}, CREDENTIALS_NOT_CHECKED),
        ({"waiting": 0, "running": 1}, MISSING),
        ({"waiting": 0, "credentials": credentials(age_s=30.0)}, MISSING),
        ({"waiting": 0, "credentials": credentials(FOUND)}, CREDENTIALS_NOT_CHECKED),
        ({"credentials": credentials(FOUND)}, FOUND),
        ({"is_job": False}, CREDENTIALS_NOT_CHECKED),
    ],
)
def test_missing_credentials_expire_when_no_task_is_left_that_could_try(
    changes: dict[str, Any], expected: Condition
) -> None:
    assert credentials_condition(facts(**LACKING | changes)) == expected


TRIED = replace(DUE, tried=frozenset({"a", "b"}))


@pytest.mark.parametrize(
    ("circuit", "has_other_tasks", "expected"),
    [(None, False, None), (DUE, False, None), (TRIED, True, None), (TRIED, False, DUE)],
)
def test_tasks_that_have_tried_may_try_again_once_no_other_task_waits(
    circuit: OpenCircuit | None, has_other_tasks: bool, expected: OpenCircuit | None
) -> None:
    assert renewed_circuit(circuit, has_other_tasks=has_other_tasks) == expected
