"""Each invariant's checker goes red when its rule is broken, and stays green on a sound life."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from support.faults.evidence import Body, Evidence, Sighting, Write
from support.faults.invariants import AGENT, INVARIANTS, TASK, broken

SECRET = "sk-very-secret"


def condition(type_: str, status: str = "True", generation: int = 1) -> Body:
    return {"type": type_, "status": status, "reason": "R", "message": "m", "observedGeneration": generation}


def task(phase: str | None, *outcomes: str, uid: str = "t-1", **status: Any) -> Sighting:
    attempts = [{"number": n, "outcome": outcome} for n, outcome in enumerate(outcomes, 1)]
    ends = {"Succeeded": [condition("Complete")], "Failed": [condition("Failed")]}.get(phase or "", [])
    told = (
        {"phase": phase, "attempts": attempts, "conditions": ends, "observedGeneration": 1, **status} if phase else {}
    )
    meta = {"uid": uid, "namespace": "home", "name": uid, "generation": 1, "resourceVersion": "1"}
    return Sighting(TASK, {"metadata": meta, "spec": {"agentRef": {"name": "a"}}, "status": told})


def agent(ready: str = "True", ray: str = "True", observed: int = 1, generation: int = 1) -> Sighting:
    meta = {"uid": "a-1", "namespace": "home", "name": "a", "generation": generation, "resourceVersion": "1"}
    conditions = [condition("Ready", ready), condition("RayReady", ray)]
    spec = {"taskDefaults": {"retryPolicy": {"maxRetries": 2}}}
    return Sighting(
        AGENT,
        {"metadata": meta, "spec": spec, "status": {"observedGeneration": observed, "conditions": conditions}},
    )


def write(at_s: float = 1.0, namespace: str = "home", resource: str = "cognitivetasks", verb: str = "patch") -> Write:
    return Write(at_s, verb, resource, namespace, "t-1", 200)


SOUND = Evidence(
    sightings=[
        agent(),
        task(None),
        task("Queued"),
        task("Running", "Running"),
        task("Queued", "Lost"),
        task("Running", "Lost", "Running"),
        task("Succeeded", "Lost", "Succeeded"),
        task("Failed", uid="t-2"),
        task("Pending", uid="t-3"),
        task("Queued", uid="t-3"),
        replace(task("Queued", uid="t-3"), is_deleted=True),
    ],
    executions={"t-1.1": 1, "t-1.2": 1},
    writes=[write(), write(namespace="system", resource="secrets", verb="create")],
    quiet_since_s=10.0,
    deleted=frozenset({"t-3"}),
    leftovers=["agent.request.home.a-1.t-1.2"],
    namespaces=frozenset({"home"}),
    operator_namespace="system",
    log_lines=[{"message": "waiting to start"}],
    secrets=[SECRET],
    texts={"metrics": "up 1"},
)


def broken_by(**changes: Any) -> set[str]:
    return {found.partition(":")[0] for found in broken(replace(SOUND, **changes))}


def also(*sightings: Sighting) -> list[Sighting]:
    return [*SOUND.sightings, *sightings]


def test_a_sound_life_breaks_nothing() -> None:
    assert broken(SOUND) == []


@pytest.mark.parametrize("phase", [None, "Pending", "Queued"])
def test_a_task_that_hangs(phase: str | None) -> None:
    assert broken_by(sightings=also(task(phase, uid="t-9"))) == {"I1 settled"}


def test_a_task_that_runs_for_ever() -> None:
    assert broken_by(sightings=also(task("Running", "Running", uid="t-9"))) == {"I1 settled"}


def test_a_write_in_the_quiet_time() -> None:
    assert broken_by(writes=[write(at_s=10.5)]) == {"I1 settled"}


@pytest.mark.parametrize(
    "after",
    [
        task("Succeeded", "Lost", "Succeeded", reasoning="another"),
        task("Succeeded", "Lost", "Succeeded", observedGeneration=0),
        task("Failed", "Lost", "Failed"),
        task("Running", "Lost", "Succeeded", "Running"),
        task(None),
    ],
)
def test_a_terminal_status_that_changes(after: Sighting) -> None:
    assert "I2 one result" in broken_by(sightings=also(after))


@pytest.mark.parametrize(
    "ended",
    [
        task("Succeeded", "Succeeded", "Succeeded", uid="t-9"),
        task("Succeeded", "Succeeded", "Lost", uid="t-9"),
        task("Succeeded", "Lost", uid="t-9"),
        task("Failed", "Succeeded", uid="t-9"),
        task("Failed", "Running", uid="t-9"),
    ],
)
def test_a_result_that_belongs_to_no_or_several_attempts(ended: Sighting) -> None:
    assert "I2 one result" in broken_by(sightings=also(ended))


LARGE = {"resultRef": {"bucket": "b", "name": "t-9.1"}}


@pytest.mark.parametrize("result", [{"result": {"text": "x"}}, LARGE])
def test_a_result_that_vanishes_from_its_status(result: Body) -> None:
    had, has_not = task("Succeeded", "Succeeded", uid="t-9", **result), task("Succeeded", "Succeeded", uid="t-9")
    assert "I2 kept results" not in broken_by(sightings=also(had, had))
    assert "I2 kept results" in broken_by(sightings=also(had, has_not))
    assert "I2 kept results" not in broken_by(sightings=also(had, replace(has_not, is_deleted=True)))


@pytest.mark.parametrize(
    ("looks", "is_kept"),
    [
        ([], True),
        ([set()], False),
        ([set(), {"b/t-9.1"}], True),
        ([{"b/t-9.1"}, {"b/t-9.1"}], True),
        ([{"b/t-9.1"}, set()], False),
        ([{"b/t-9.1"}, set(), {"b/t-9.1"}], False),
        ([{"other/t-9.1"}], False),
    ],
)
def test_a_large_result_that_vanishes_from_the_object_store(looks: list[set[str]], is_kept: bool) -> None:
    ended, stored = task("Succeeded", "Succeeded", uid="t-9", **LARGE), [frozenset(look) for look in looks]
    assert broken_by(sightings=also(ended), stored=stored) == (set() if is_kept else {"I2 kept results"})
    gone = replace(ended, is_deleted=True)
    assert broken_by(sightings=also(ended, gone), stored=stored) == set()


@pytest.mark.parametrize(
    "steps",
    [
        (task("Running", "Running", uid="t-9"), task("Queued", "Running", uid="t-9")),
        (task("Running", "Running", uid="t-9"), task("Pending", "Lost", uid="t-9")),
        (task("Queued", uid="t-9"), task("Pending", uid="t-9")),
        (task("Queued", uid="t-9"), task(None, uid="t-9")),
    ],
)
def test_a_phase_that_goes_back(steps: tuple[Sighting, Sighting]) -> None:
    assert "I2 phases" in broken_by(sightings=also(*steps))


@pytest.mark.parametrize(
    "steps",
    [
        (task("Running", "Running", uid="t-9"), task("Suspended", "Suspended", uid="t-9")),
        (task("Suspended", "Suspended", uid="t-9"), task("Queued", "Suspended", uid="t-9")),
        (task("Pending", uid="t-9"), task("Running", "Running", uid="t-9")),
    ],
)
def test_a_phase_that_may_follow(steps: tuple[Sighting, Sighting]) -> None:
    assert "I2 phases" not in broken_by(sightings=also(*steps))


def test_an_attempt_that_is_executed_twice() -> None:
    assert broken_by(executions={"t-1.1": 2, "t-1.2": 1}) == {"I3 one execution"}


def test_an_execution_that_no_attempt_tells_of() -> None:
    assert broken_by(executions={"t-1.1": 1, "t-1.2": 1, "t-1.3": 1}) == {"I3 one execution"}


def test_an_attempt_that_is_missing_in_between() -> None:
    gap = copy.deepcopy(task("Succeeded", "Lost", "Succeeded", uid="t-9"))
    gap.attempts[1]["number"] = 3
    assert broken_by(sightings=also(gap)) == {"I3 one execution"}


def test_more_attempts_than_the_policy_allows() -> None:
    ended = task("Failed", "Failed", "Lost", "Failed", "Failed", uid="t-9")
    assert broken_by(sightings=also(ended)) == {"I3 one execution"}


@pytest.mark.parametrize("mark", [{"errorType": "AgentDeleted"}, {"errorType": "ModelUnavailable", "counted": False}])
def test_attempts_that_use_up_no_retry(mark: dict[str, object]) -> None:
    ended = copy.deepcopy(task("Failed", "Failed", "Lost", "Failed", "Failed", uid="t-9"))
    ended.attempts[0].update(mark)
    assert broken_by(sightings=also(ended)) == set()


def test_what_is_left_of_a_deleted_object() -> None:
    assert broken_by(leftovers=["$KV.claims.a-1.t-3.1"]) == {"I4 no orphans"}


@pytest.mark.parametrize("stray", [write(namespace="other"), write(namespace="system"), write(namespace="")])
def test_a_write_elsewhere(stray: Write) -> None:
    assert broken_by(writes=[stray]) == {"I5 own namespace"}


@pytest.mark.parametrize("verb", ["create", "update"])
def test_the_lease_of_the_election_is_written_in_the_operators_namespace(verb: str) -> None:
    lease = write(namespace="system", resource="leases", verb=verb)
    assert broken_by(writes=[lease]) == set()
    assert broken_by(writes=[replace(lease, namespace="other")]) == {"I5 own namespace"}
    assert broken_by(writes=[replace(lease, verb="delete")]) == {"I5 own namespace"}


def test_an_operator_that_ends_by_itself() -> None:
    assert broken_by(ends=["the operator ended with 1"]) == {"I6 no crash"}


def test_a_traceback_in_the_log() -> None:
    assert broken_by(log_lines=[{"message": "reconcile failed", "traceback": "KeyError"}]) == {"I6 no crash"}


def test_a_secret_that_shows() -> None:
    assert broken_by(texts={"an event": f"401 for {SECRET}"}) == {"I7 no secret"}


@pytest.mark.parametrize(
    "liar",
    [
        agent(ray="False"),
        agent(observed=2),
        task("Failed", uid="t-9", conditions=[]),
        task("Succeeded", "Succeeded", uid="t-9", conditions=[condition("Complete", "False")]),
        task("Succeeded", "Succeeded", uid="t-9", conditions=[condition("Complete"), condition("Failed")]),
        task("Failed", uid="t-9", conditions=[condition("Failed", generation=2)]),
    ],
)
def test_a_condition_that_lies(liar: Sighting) -> None:
    assert broken_by(sightings=also(liar)) == {"I8 true conditions"}


def test_an_agent_whose_change_was_never_observed() -> None:
    assert broken_by(sightings=also(agent(generation=2))) == {"I8 true conditions"}


def test_every_invariant_is_there() -> None:
    assert {name.partition(" ")[0] for name in INVARIANTS} == {f"I{number}" for number in range(1, 9)}
