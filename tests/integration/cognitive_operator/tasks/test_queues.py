"""Queues of agents on one Ray: priorities, positions, turns by weight, a full queue, a backlog."""

import json
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator

import pytest

from controlplane import ControlPlane
from servers.nats import NatsServer
from servers.operator import OperatorProcess, OperatorSettings
from support.builders.cognitive_objects import Cluster, agent, task
from support.eventually import LIMIT_S, eventually
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("without_operator"), pytest.mark.timeout(120)]
BOUND = 4
BACKLOG = 100


@pytest.fixture(scope="module")
def bounded(
    control_plane: ControlPlane,
    nats_server: NatsServer,
    crds: None,
    without_operator: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OperatorProcess]:
    """An operator that lets four tasks run on one Ray cluster."""
    log = tmp_path_factory.mktemp("bounded") / "operator.log"
    env = {"COGNITIVE_RAY_TASKS": str(BOUND)}
    with OperatorProcess.start(OperatorSettings(control_plane.kubeconfig_path, nats_server.url, log, env)) as process:
        yield process


@pytest.fixture(scope="module")
def pair(
    control_plane: ControlPlane, bounded: OperatorProcess, ray_server: RayServer, model_server: ScriptedModel
) -> Cluster:
    """A namespace with two ready agents on one Ray: ``heavy`` has three turns for each of ``light``."""
    control_plane.kubectl("create", "namespace", "queues")
    cluster = Cluster(control_plane.kubectl.within("queues"))
    for name, weight in (("heavy", 3), ("light", 1)):
        cluster.apply(agent(name, ray_server.address, model_server.url, queue={"weight": weight}))
    cluster.wait_ready("heavy")
    cluster.wait_ready("light")
    return cluster


def said(text: str, name: str) -> dict[str, str]:
    return {"error_message": f"{text} <{name}>"}


def asked(model: ScriptedModel, text: str) -> list[str]:
    """Return the names of the tasks that the model was asked about, in that order."""
    found = (re.search(rf"{text} <([\w-]+)>", str(r.body["messages"])) for r in model.requests)
    return [match.group(1) for match in found if match]


def rows(operator: OperatorProcess) -> list[str]:
    with urllib.request.urlopen(operator.metrics_url, timeout=LIMIT_S) as response:
        return [str(line) for line in response.read().decode().splitlines()]


def metric(operator: OperatorProcess, name: str, agent_name: str) -> float:
    return operator.metric(name, agent=agent_name, namespace="queues")


def oldest_age_s(operator: OperatorProcess) -> float:
    """Return the age of the oldest queued task of ``light`` once it is a second or more."""
    found = metric(operator, "cognitive_queue_oldest_task_age_seconds", "light")
    assert found >= 1
    return found


def queued_tasks(operator: OperatorProcess) -> float:
    return sum(metric(operator, "cognitive_queued_tasks", name) for name in ("heavy", "light"))


def total(operator: OperatorProcess, name: str, label: str) -> float:
    """Return the sum of a counter over all that have a label."""
    return sum(float(row.rpartition(" ")[2]) for row in rows(operator) if row.startswith(f"{name}{{") and label in row)


def test_agents_of_one_ray_take_turns_by_their_weight_and_never_pass_its_bound(
    pair: Cluster, model: ScriptedModel, bounded: OperatorProcess
) -> None:
    model.script(contains="turn <", is_held=True, times=BOUND)
    model.script(contains="turn <", delay_s=0.5)
    names = [f"{who}-{n}" for who in ("heavy", "light") for n in range(16)]
    most = 0
    pair.apply(*[task(name, name.split("-")[0], input=said("turn", name)) for name in names])
    eventually(lambda: model.in_flight == BOUND, LIMIT_S)
    eventually(lambda: queued_tasks(bounded) == len(names) - BOUND, LIMIT_S)
    model.release()  # no turn ends before all other tasks wait for theirs

    def done() -> bool:
        nonlocal most
        most = max(most, model.in_flight)
        return len(asked(model, "turn")) == len(names)

    eventually(done, 60.0, 0.02)
    begun = [name.split("-")[0] for name in asked(model, "turn")]
    contended = Counter(begun[4:20])  # the first four come before the others are there; later heavy has none left
    assert most <= BOUND
    assert 11 <= contended["heavy"] <= 13, begun
    assert Counter(begun) == {"heavy": 16, "light": 16}
    for name in names:
        pair.wait_phase(name, "Succeeded")


def test_a_higher_priority_overtakes_and_positions_say_so(
    pair: Cluster, model: ScriptedModel, bounded: OperatorProcess
) -> None:
    model.script(contains="busy", is_held=True)
    pair.apply(*[task(f"busy-{n}", "light", input=said("busy", f"busy-{n}")) for n in range(BOUND)])
    eventually(lambda: model.in_flight == BOUND, 10.0)
    began_s = time.monotonic()
    pair.apply(*[task(f"p-{n}", "light", input=said("order", f"p-{n}")) for n in range(3)])
    pair.apply(task("urgent", "light", input=said("order", "urgent"), priority=10))
    assert pair.wait_phase("urgent", "Queued")["queuePosition"] == 1
    assert pair.wait_phase("p-2", "Queued")["reason"] == "WaitingForSlot"
    assert "COGNITIVE" not in pair.status("p-2")["message"]
    pair.patch("ctask", "p-2", {"spec": {"priority": 5}})
    eventually(lambda: pair.status("p-2").get("queuePosition") == 2, LIMIT_S)
    eventually(lambda: metric(bounded, "cognitive_queued_tasks", "light") == 4, 10.0)
    assert metric(bounded, "cognitive_active_tasks", "light") == BOUND
    age_s = eventually(lambda: oldest_age_s(bounded), 10.0)
    assert age_s <= time.monotonic() - began_s + 1, "a creation time has whole seconds"
    assert metric(bounded, "cognitive_queued_tasks", "heavy") == 0
    model.release()
    for name in ("urgent", "p-0", "p-1", "p-2"):
        pair.wait_phase(name, "Succeeded")
    assert asked(model, "order")[:2] == ["urgent", "p-2"]


def test_a_full_queue_refuses_and_a_restarted_operator_refuses_nobody_else(
    pair: Cluster, model: ScriptedModel, bounded: OperatorProcess, ray_server: RayServer
) -> None:
    queue = {"maxConcurrentTasks": 2, "maxQueuedTasks": 3}
    pair.apply(agent("small", ray_server.address, model.url, queue=queue))
    pair.wait_ready("small")
    model.script(contains="small", is_held=True, times=2)
    names = [f"small-{n}" for n in range(8)]
    for name in names:  # one by one: the order of creation is the test's
        pair.apply(task(name, "small", input=said("small", name)))

    def refused() -> list[str]:
        found = [name for name in names if pair.status(name).get("reason") == "QueueFull"]
        assert len(found) >= 3, found
        return found

    assert eventually(refused, 10.0) == names[5:]
    eventually(lambda: model.in_flight == 2, LIMIT_S)
    bounded.kill()
    bounded.resume()
    model.release()
    for name in names[:5]:
        assert pair.wait_phase(name, "Succeeded", 60.0)["attempts"][0]["number"] == 1
    status = pair.status("small-5")
    assert (status["phase"], "already has 5 unfinished tasks" in status["message"]) == ("Failed", True)
    assert pair.condition("small-5", "Accepted", "ctask")[:2] == ("False", "QueueFull")
    assert Counter(asked(model, "small")) == dict.fromkeys(names[:5], 1)


def test_the_backlog_of_one_agent_delays_no_other(
    pair: Cluster, model: ScriptedModel, bounded: OperatorProcess
) -> None:
    model.script(contains="many", delay_s=1.0)
    names = [f"many-{n}" for n in range(BACKLOG)]
    bodies = [task(name, "heavy", input=said("many", name)) for name in names]
    pair.kubectl("create", "-f", "-", stdin="\n".join(json.dumps(body) for body in bodies))
    eventually(lambda: metric(bounded, "cognitive_queued_tasks", "heavy") > BACKLOG / 4, 10.0)
    pair.apply(task("between", "light", input=said("between", "between")))
    pair.wait_phase("between", "Succeeded", 5.0)
    assert len(asked(model, "many")) < BACKLOG
    eventually(lambda: metric(bounded, "cognitive_queued_tasks", "heavy") == 0, 60.0, 0.5)
    eventually(lambda: total(bounded, "cognitive_tasks_total", 'status="success"') >= BACKLOG, 30.0, 0.5)
    assert total(bounded, "cognitive_operator_api_requests_total", 'method="PATCH"') >= BACKLOG
    assert total(bounded, "cognitive_operator_reconcile_seconds_count", 'kind="task"') >= BACKLOG

    def succeeded() -> int:
        return sum(s.get("phase") == "Succeeded" for name, s in pair.tasks().items() if name in names)

    eventually(lambda: succeeded() == BACKLOG, 30.0, 1.0)
    assert Counter(asked(model, "many")) == dict.fromkeys(names, 1)
