"""Counters of an agent's variants under kills: row 37 of the table."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pytest

from support.cluster.executor_processes import executor_pids, kill
from support.eventually import eventually
from support.faults.evidence import Sighting
from support.faults.invariants import AGENT
from support.faults.load import Load, running
from support.faults.system import HOME, FaultSystem, is_quick
from support.faults.trial import Measured, Trial

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
NAME = "compared"
STEADY, FLAKY = "steady", "flaky"
VARIANTS = [{"name": STEADY, "weight": 3, "model": STEADY}, {"name": FLAKY, "weight": 1, "model": FLAKY}]
REFUSED_DIGITS = "369"
"""Last digits of the tasks that the model of ``flaky`` refuses to answer: 3 of 10."""
TURNS = 6
"""Kills of one run: the executor and the operator three times each."""


@pytest.fixture(scope="module", autouse=True)
def compared(system: FaultSystem) -> Iterator[None]:
    """An agent with two variants, each with a model of its own on the same server."""
    wide: dict[str, Any] = {"queue": {"maxConcurrentTasks": 16}, "execution": {"concurrencyPerWorker": 16}}
    system.add_agent(HOME, system.agent(NAME, llm={"variants": VARIANTS}, **wide))
    yield
    system.admin.delete(AGENT, HOME, NAME)


def kill_in_turn(trial: Trial, tasks: int) -> Counter[str]:
    """Kill the executor and the operator in turn, each while calls run and once a further share of tasks has ended."""
    system, kills = trial.system, Counter[str]()
    for turn in range(1, TURNS + 1):
        eventually(partial(is_under_way, trial, tasks * turn / (TURNS + 1)), 120.0, 0.5)
        if turn % 2:
            kill(executor_pids(system.observer.present(AGENT, HOME)[NAME].uid))
            kills["executor"] += 1
        else:
            system.operator.kill()
            system.operator.resume()
            kills["operator"] += 1
    return kills


def is_under_way(trial: Trial, ended: float) -> bool:
    """Tell whether so many tasks have ended and others are at the model."""
    found = trial.observer.tasks(HOME).values()
    return sum(each.is_terminal for each in found) >= ended and trial.system.model.in_flight > 0


def counted(system: FaultSystem, tasks: int) -> dict[str, dict[str, Any]]:
    """Wait until every task is counted, and return the agent's counters of each variant."""

    def reached() -> dict[str, dict[str, Any]]:
        status = system.admin.get(AGENT, HOME, NAME)["status"]
        assert status["tasksProcessed"] == tasks
        return {each["name"]: each for each in status["variants"]}

    return eventually(reached, 60.0, 0.2)


def is_refused(task: Sighting) -> bool:
    """Tell whether the task's model refuses it."""
    is_chosen = task.body["metadata"]["name"][-1] in REFUSED_DIGITS
    return task.status["variant"] == FLAKY and is_chosen


def reported(task: Sighting) -> list[str]:
    """Return the request ids of the attempts that ended with a response."""
    return [f"{task.uid}.{each['number']}" for each in task.attempts if each["outcome"] != "Lost"]


def expected(tasks: Sequence[Sighting], system: FaultSystem) -> dict[str, Any]:
    """Return what the counters of one variant must be by the tasks' statuses and by the counts of the model server."""
    succeeded = sum(not is_refused(each) for each in tasks)
    requests = [each for task in tasks for each in reported(task)]
    return {
        "tasksProcessed": len(tasks),
        "tasksSucceeded": succeeded,
        "successRate": round(succeeded / len(tasks), 4),
        "calls": sum(system.model.executions[each] for each in requests),
        "repairs": 0,
        "cacheHits": 0,
        "totalTokens": sum(system.model.tokens[each] for each in requests),
        "confidences": succeeded,
        "durations": len(tasks),
    }


def shown(variant: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counters of one variant in the form of ``expected``."""
    same = ("tasksProcessed", "tasksSucceeded", "successRate", "calls", "repairs", "cacheHits")
    return {name: variant[name] for name in same} | {
        "totalTokens": variant["tokens"]["total"],
        "confidences": variant["confidence"]["count"],
        "durations": variant["durationSeconds"]["count"],
    }


def test_row_37_variants_are_counted_exactly_under_kills(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    load = Load("row37", 200 if is_quick() else 1000, 10.0, NAME)
    for digit in REFUSED_DIGITS:
        system.model.script(model=FLAKY, contains=f"{digit}> failed", refusal="no")
    system.model.script(contains="<row37", delay_s=0.4)
    with running(trial, load):
        kills = kill_in_turn(trial, load.count)
    ended = trial.wait_ended(300.0)
    found = counted(system, load.count)
    lost = sum(each["outcome"] == "Lost" for task in ended for each in task.attempts)
    measured("tasks, kills, lost attempts", f"{len(ended)}, {dict(kills)}, {lost}")
    assert len(ended) == load.count
    assert lost > 0
    assert {each.uid: each.phase for each in ended} == {
        each.uid: "Failed" if is_refused(each) else "Succeeded" for each in ended
    }
    by_variant = {name: [each for each in ended if each.status["variant"] == name] for name in (STEADY, FLAKY)}
    measured("counters", {name: shown(each) for name, each in found.items()})
    assert {name: shown(each) for name, each in found.items()} == {
        name: expected(tasks, system) for name, tasks in by_variant.items()
    }
    of_statuses = {
        name: sum(attempt.get("tokens", 0) for task in tasks for attempt in task.attempts)
        for name, tasks in by_variant.items()
    }
    assert of_statuses == {name: each["tokens"]["total"] for name, each in found.items()}
    assert found[FLAKY]["successRateHigh"] < found[STEADY]["successRateLow"] == pytest.approx(1, abs=0.02)
    models = {request.request_id.rpartition(".")[0]: request.body["model"] for request in system.model.requests}
    assert models == {each.uid: each.status["variant"] for each in ended}
