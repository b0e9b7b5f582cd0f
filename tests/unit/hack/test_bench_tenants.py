"""The measurement of two tenants: the lies of the hostile one, and the promise to the other."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import names
from bench.experiments.tenants import Hostile, samples
from bench.reports.budgets import budget_rows
from bench.reports.summary import Summaries
from bench.scale import SCALES
from bench.suites import tenant_suite
from bench.systems.liar import FORGED, POISON, SIGNATURE, lies
from bench.workloads.patterns import WorkloadResult
from cognitive_operator.api.wire import SIGNATURE_HEADER, sign

REQUEST: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "contract" / "wire" / "request.json").read_text(encoding="utf-8")
)
TAIL = "team.a-1.t-1.1"


def measured(*latencies_ms: float) -> WorkloadResult:
    tasks = [f"t-{number}" for number in range(len(latencies_ms))]
    return WorkloadResult(tasks, [], latencies_ms, [], 0.1, 1.0)


@pytest.mark.parametrize("poison", POISON)
def test_a_request_is_answered_by_wrong_signatures_a_poison_and_an_ended_claim(poison: dict[str, Any]) -> None:
    key = bytes.fromhex(REQUEST["attempt_key"])
    *forged, poisoned, claim = lies(f"agent.request.{TAIL}", REQUEST, poison)
    assert SIGNATURE == SIGNATURE_HEADER
    assert len(forged) == FORGED
    for each, is_signed in ((forged[0], False), (forged[-1], False), (poisoned, True)):
        assert each.subject == f"agent.response.completed.{TAIL}"
        assert each.headers is not None
        assert (each.headers[SIGNATURE] == sign(key, each.subject, each.data)) is is_signed
        content = json.loads(each.data)
        assert {content[name] == REQUEST[name] for name in ("task_uid", "agent_uid", "attempt", "namespace")} == {True}
    assert all(json.loads(poisoned.data)[name] == value for name, value in poison.items())
    assert (claim.subject, json.loads(claim.data)["state"]) == ("$KV.claims.a-1.t-1.1", "ended")


@pytest.mark.parametrize(("alone_ms", "bound_ms"), [(20.0, 150.0), (75.0, 150.0), (100.0, 200.0)])
def test_the_promise_is_twice_the_latency_alone_or_150_ms(alone_ms: float, bound_ms: float) -> None:
    found = {each.name: each.value for each in samples(measured(alone_ms), measured(1.0), Hostile(5, 7))}
    assert found[names.P99_BOUND] == bound_ms
    assert found["latency p99, alone"] == alone_ms
    assert found["latency p99, beside a hostile tenant"] == 1.0
    assert (found["tasks of tenant A that wait"], found["lies of tenant A that were found"]) == (5, 7)


@pytest.mark.parametrize(("beside_ms", "is_met"), [(150.0, True), (151.0, False)])
def test_the_budget_compares_the_latency_beside_with_the_promise(beside_ms: float, is_met: bool) -> None:
    found = samples(measured(20.0), measured(beside_ms), Hostile(5, 7))
    rows = {row.budget.name: row for row in budget_rows(Summaries({names.TENANTS: found}))}
    assert rows["two tenants: latency p99 over its promised bound"].is_met is is_met
    assert rows["two tenants: not succeeded"].is_met


@pytest.mark.parametrize("scale", SCALES.values(), ids=list(SCALES))
def test_a_system_is_measured_once_since_the_hostile_tenant_stays_on_it(scale: Any) -> None:
    (experiment,) = tenant_suite(scale).experiments
    assert (experiment.name, experiment.rounds(5)) == ("two tenants", 1)
