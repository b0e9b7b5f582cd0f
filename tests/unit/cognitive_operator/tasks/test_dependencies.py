"""Dependencies between tasks: order, failure, cycles, and results as inputs."""

import json
from collections.abc import Iterable
from contextlib import nullcontext
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_operator.api.conditions import Phase
from cognitive_operator.errors import ResultError
from cognitive_operator.plan.gates.dependencies import shortest_cycle
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.task.gates.dependencies import MAX_RESULTS_BYTES, REFRESH_S, DependencyGate
from cognitive_operator.reconcile.task.gates.inputs import InputGate, InputSources
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock

Graph = dict[str, list[str]]
GRAPHS = st.dictionaries(st.sampled_from("abcdefg"), st.lists(st.sampled_from("abcdefgx"), max_size=4, unique=True))


def body(name: str, needs: Iterable[Any] = (), *, version: int = 1, uid: str = "", **status: Any) -> dict[str, Any]:
    """Return a task; ``needs`` are names or pairs of name and key."""
    pairs = [need if isinstance(need, tuple) else (need, None) for need in needs]
    depends_on = [{"name": each} | ({"as": key} if key else {}) for each, key in pairs]
    found = o.task_body(status, **({"dependsOn": depends_on} if depends_on else {}))
    names = {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    return found | {"metadata": found["metadata"] | names}


def fed(name: str, other: str) -> dict[str, Any]:
    """Return a task whose input is another one's result."""
    found = body(name)
    spec = found["spec"] | {"inputFrom": [{"as": "plan", "taskRef": {"name": other}}]}
    return found | {"spec": spec}


NO_OBJECTS: Any = None
"""No result of these tasks is in an object."""


class Kube:
    """An API server with the tasks that a test puts there."""

    def __init__(self) -> None:
        self.bodies: dict[str, dict[str, Any]] = {}

    async def get(self, plural: str, namespace: str, name: str) -> dict[str, Any] | None:
        assert (plural, namespace) == ("cognitivetasks", "team")
        return self.bodies.get(name)


class Chain:
    """Dependencies of the tasks in an index, and who was woken."""

    def __init__(self, *bodies: dict[str, Any]) -> None:
        self.kube, self.clock, self.index = Kube(), FakeClock(), Index()
        self.woken = [""]
        self.index.graph.wake = self.woken.extend
        self.resources = cast("Any", self.kube)
        self.dependencies = DependencyGate(self.resources, NO_OBJECTS, self.clock, self.index)
        self.put(*bodies)

    def put(self, *bodies: dict[str, Any]) -> list[str]:
        """Take in tasks and return who is woken by that."""
        self.woken.clear()
        for each in bodies:
            self.kube.bodies[each["metadata"]["name"]] = each
            self.index.upsert_task(each, 0.0)
        return list(self.woken)

    async def check(self, name: str) -> GateResult | None:
        return await self.dependencies.check(self.index.tasks[f"uid-{name}"])

    async def reason(self, name: str) -> tuple[str, Phase] | None:
        gate = await self.check(name)
        return (str(gate.reason), gate.phase) if gate else None


async def test_a_task_waits_until_the_last_of_its_dependencies_has_succeeded() -> None:
    chain = Chain(body("a"), body("b"), body("c", ["a", "b"]))
    gate = await chain.check("c")
    assert gate is not None
    assert (gate.reason, gate.phase) == ("WaitingForDependency", Phase.PENDING)
    assert gate.message == "Waiting for CognitiveTasks team/a, team/b (spec.dependsOn) to succeed."
    assert chain.put(body("a", version=2, phase="Succeeded")) == ["uid-c"]
    gate = await chain.check("c")
    assert gate is not None
    assert "team/b" in gate.message
    assert "team/a" not in gate.message
    assert chain.put(body("b", version=2, phase="Succeeded")) == ["uid-c"]
    assert await chain.check("c") is None


async def test_only_dependants_are_woken_and_only_by_what_matters() -> None:
    chain = Chain(body("a"), body("b", ["a"]), body("c", ["a"]), body("d", ["b"]), body("e"))
    assert chain.put(body("a", version=2, phase="Queued")) == []
    assert chain.put(body("a", version=3, phase="Succeeded")) == ["uid-b", "uid-c"]
    assert chain.put(body("a", version=4, phase="Succeeded", message="again")) == []
    assert chain.put(body("b", ["a"], version=2, phase="Succeeded")) == ["uid-d"]
    chain.index.remove_task("uid-d")
    assert chain.index.graph.dependants(("team", "b")) == ()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"], "CognitiveTask team/a (spec.dependsOn) does not exist; waiting for it to be created."),
        (["a", "b"], "CognitiveTasks team/a, team/b (spec.dependsOn) do not exist; waiting for them to be created."),
    ],
)
async def test_dependencies_that_do_not_exist_are_named(names: list[str], message: str) -> None:
    gate = await Chain(body("c", names)).check("c")
    assert gate is not None
    assert gate.message == message


async def test_one_that_does_not_exist_yet_is_waited_for_and_its_creation_wakes() -> None:
    chain = Chain(body("c", ["a", "b"]), body("b"))
    assert await chain.reason("c") == ("DependencyNotFound", Phase.PENDING)
    assert chain.put(body("a")) == ["uid-c"]
    assert await chain.reason("c") == ("WaitingForDependency", Phase.PENDING)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase.is_terminal and phase != Phase.SUCCEEDED])
async def test_one_that_ends_otherwise_fails_its_dependants(phase: Phase) -> None:
    chain = Chain(body("a"), body("b", ["a"]))
    assert chain.put(body("a", version=2, phase=str(phase), reason="ModelTimeout")) == ["uid-b"]
    gate = await chain.check("b")
    assert gate is not None
    assert (gate.reason, gate.phase) == ("DependencyFailed", Phase.FAILED)
    assert f"team/a (spec.dependsOn) ended as {phase} (reason: ModelTimeout)." in gate.message


@pytest.mark.parametrize("phase", ["Running", "Succeeded"])
async def test_a_deleted_one_fails_its_dependants_also_when_another_gets_its_name(phase: str) -> None:
    chain = Chain(body("a", phase=phase), body("b", ["a"]))
    chain.woken.clear()
    chain.index.remove_task("uid-a")
    assert chain.woken == ["uid-b"]
    assert await chain.reason("b") == ("DependencyFailed", Phase.FAILED)
    chain.put(body("a", uid="another", phase="Succeeded"))
    assert await chain.reason("b") == ("DependencyFailed", Phase.FAILED)


async def test_a_deletion_that_nobody_saw_is_told_by_the_name_of_another_task() -> None:
    chain = Chain(body("a"), body("b", ["a"]))
    chain.put(body("a", uid="another"))
    assert await chain.reason("b") == ("DependencyFailed", Phase.FAILED)
    chain.index.remove_task("uid-a")  # the late word of the first one's end
    assert chain.index.task_named(("team", "a")) is not None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, ("DependencyNotFound", Phase.PENDING)),
        ({"phase": "Pending", "reason": "DependencyNotFound"}, ("DependencyNotFound", Phase.PENDING)),
        ({"phase": "Pending", "reason": "WaitingForDependency"}, ("DependencyFailed", Phase.FAILED)),
        ({"phase": "Queued", "reason": "WaitingForSlot"}, ("DependencyFailed", Phase.FAILED)),
    ],
)
async def test_a_restart_tells_deleted_ones_from_those_that_never_were(
    status: dict[str, Any], expected: tuple[str, Phase]
) -> None:
    assert await Chain(body("b", ["a"], **status)).reason("b") == expected


async def test_all_members_of_a_cycle_fail_and_tell_the_same_and_who_waits_for_them_fails_too() -> None:
    chain = Chain(body("b", ["c"]), body("c", ["a"]), body("outside", ["a"]), body("free"))
    assert await chain.reason("b") == ("WaitingForDependency", Phase.PENDING)
    assert chain.put(body("a", ["free", "b"])) == ["uid-c", "uid-outside"]
    gates = [await chain.check(name) for name in "abc"]
    assert {(h.reason, h.phase, h.is_accepted) for h in gates if h} == {("DependencyCycle", Phase.FAILED, False)}
    assert {h.message.rpartition(": ")[2] for h in gates if h} == {"a -> b -> c -> a."}
    assert await chain.reason("outside") == ("WaitingForDependency", Phase.PENDING)
    woken = chain.put(body("a", ["free", "b"], version=2, phase="Failed", reason="DependencyCycle"))
    assert woken == ["uid-c", "uid-outside"]
    assert await chain.reason("c") == ("DependencyCycle", Phase.FAILED), "also when the operator began anew"
    assert await chain.reason("outside") == ("DependencyFailed", Phase.FAILED)


async def test_a_cycle_by_input_is_found_too() -> None:
    chain = Chain(fed("a", "b"), fed("itself", "itself"))
    assert await chain.reason("itself") == ("DependencyCycle", Phase.FAILED)
    assert await chain.check("a") is None, "what it waits for is told by its inputs"
    assert chain.put(body("b", ["a"])) == ["uid-a"], "one that waits for an input is woken"
    assert await chain.reason("a") == await chain.reason("b") == ("DependencyCycle", Phase.FAILED)


async def test_a_result_does_not_replace_what_the_task_gives() -> None:
    chain = Chain(body("a"), body("b", [("a", "error_message")]))
    gate = await chain.check("b")
    assert gate is not None
    assert (gate.reason, gate.phase, gate.is_accepted) == ("InputInvalid", Phase.FAILED, False)


async def test_a_shorter_list_is_told_only_now_and_then() -> None:
    chain = Chain(body("a"), body("b"), body("c", ["a", "b"]))
    first = await chain.check("c")
    assert first is not None
    told = {"phase": "Pending", "reason": str(first.reason), "message": first.message}
    chain.put(body("c", ["a", "b"], version=2, **told), body("a", version=2, phase="Succeeded"))
    chain.index.update_task("uid-c", written_s=chain.clock.monotonic_s)
    kept = await chain.check("c")
    assert kept is not None
    assert (kept.message, kept.recheck_s) == (first.message, REFRESH_S)
    chain.clock.advance(REFRESH_S)
    fresh = await chain.check("c")
    assert fresh is not None
    assert "team/a" not in fresh.message


async def test_results_stand_under_their_keys() -> None:
    chain = Chain(
        body("log-scan.1", phase="Succeeded", result={"cause": "disk"}),
        body("b", phase="Succeeded", result={"plan": []}),
        body("c", ["log-scan.1", ("b", "plan")]),
    )
    found = await chain.dependencies.results(chain.index.tasks["uid-c"])
    assert found == {"log_scan_1": {"cause": "disk"}, "plan": {"plan": []}}


@pytest.mark.parametrize("now", [None, body("a", uid="another", phase="Succeeded", result={})])
async def test_a_result_of_a_deleted_task_is_not_taken_from_another(now: dict[str, Any] | None) -> None:
    chain = Chain(body("a", phase="Succeeded", result={}), body("b", ["a"]))
    chain.kube.bodies["a"] = now or {}
    if now is None:
        del chain.kube.bodies["a"]
    with pytest.raises(ResultError, match=r"team/a .* was deleted"):
        await chain.dependencies.results(chain.index.tasks["uid-b"])


async def test_results_by_reference_are_bounded_together_before_they_are_read() -> None:
    ref = {"bucket": "results-x", "name": "y.1", "sizeBytes": MAX_RESULTS_BYTES + 1, "sha256": "00"}
    chain = Chain(body("a", phase="Succeeded", resultRef=ref), body("b", ["a"]))
    with pytest.raises(ResultError, match=str(MAX_RESULTS_BYTES)):
        await chain.dependencies.results(chain.index.tasks["uid-b"])


async def test_results_are_input_beside_what_the_task_gives_and_a_lost_one_ends_it() -> None:
    chain = Chain(body("a", phase="Succeeded", result={"cause": "disk"}), body("b", ["a"]))
    sources = InputSources(chain.resources, chain.resources, NO_OBJECTS)
    inputs = InputGate(sources, chain.index, chain.dependencies, lambda _: nullcontext())
    record = chain.index.tasks["uid-b"]
    assert json.loads(await inputs.read(record) or b"") == {"error_message": "no", "a": {"cause": "disk"}}
    assert await inputs.check(record) is None
    del chain.kube.bodies["a"]
    chain.clock.advance(60.0)
    gate = await inputs.check(record)
    assert gate is not None
    assert (gate.reason, gate.phase) == ("DependencyFailed", Phase.FAILED)


def reachable(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = set(graph.get(waiting.pop(), [])) - found
        found |= new
        waiting += new
    return found


@given(GRAPHS)
def test_a_cycle_is_found_exactly_for_those_that_need_themselves(graph: Graph) -> None:
    for name in graph:
        cycle = shortest_cycle(name, lambda each: graph.get(each, []))
        assert bool(cycle) == (name in reachable(graph, name))
        if cycle:
            assert cycle[0] == cycle[-1] == min(cycle)
            assert name in cycle
            assert len(set(cycle)) == len(cycle) - 1
            assert all(after in graph[before] for before, after in pairwise(cycle))


@given(GRAPHS, st.permutations("abcdefg"))
def test_cycles_do_not_depend_on_the_order_of_creation(graph: Graph, order: list[str]) -> None:
    index = Index()
    nodes = index.graph
    for name in order:
        if name in graph:
            index.upsert_task(body(name, graph[name]), 0.0)
            for each in graph:
                nodes.cycle(("team", each))
    for name in graph:
        assert bool(nodes.cycle(("team", name))) == (name in reachable(graph, name))
