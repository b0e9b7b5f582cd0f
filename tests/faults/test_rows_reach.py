"""Faults of what the operator may read and of what Ray's nodes reach: rows 32 and 36 of the table."""

import json
import urllib.request
from collections.abc import Iterator

import pytest

from servers.ray_head import RayHead, RaySettings
from support.eventually import eventually
from support.faults.evidence import Body
from support.faults.invariants import AGENT
from support.faults.system import HOME, OPERATOR_NAMESPACE, RBAC, FaultSystem
from support.faults.trial import Measured, Trial

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]
ROLE, BINDING = "cognitive-operator", "cognitive-operator-agents"
RBAC_API = "rbac.authorization.k8s.io"
LOST_WITHIN_S = 45.0
"""The documented 30 s, and a slow machine."""
FOUND_WITHIN_S = 25.0
"""The documented 15 s, and a slow machine."""
GONE_WITHIN_S = 60.0
LEFT_WITHIN_S = 70.0
"""The 60 s for which a worker's last lease lives, and a slow machine."""
TOLD_WITHIN_S = 90.0
BROKER_WAIT_S = "5"
"""Seconds after which a job ends without a broker; 120 by default."""


def bound(kind: str, name: str, role: str, namespace: str | None = None) -> Body:
    """Return a RoleBinding or ClusterRoleBinding of the operator."""
    subject = {"kind": "ServiceAccount", "name": ROLE, "namespace": OPERATOR_NAMESPACE}
    return {
        "apiVersion": f"{RBAC_API}/v1",
        "kind": kind,
        "metadata": {"name": name} | ({"namespace": namespace} if namespace else {}),
        "roleRef": {"apiGroup": RBAC_API, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }


def grant(system: FaultSystem, namespace: str) -> None:
    """Grant the operator its rights in a namespace."""
    system.servers.plane.kubectl.apply(json.dumps(bound("RoleBinding", BINDING, ROLE, namespace)))


@pytest.fixture
def narrow(trial: Trial, system: FaultSystem) -> Iterator[str]:
    """A namespace with the agent ``sre``; the operator has rights in it and at home alone, as the chart grants them."""
    kubectl, finalizers = system.servers.plane.kubectl, "cognitive-operator-finalizers"
    rule = {"apiGroups": ["cognitive.seedcore.io"], "resources": ["cognitiveagents"], "verbs": ["get", "patch"]}
    role = {"apiVersion": f"{RBAC_API}/v1", "kind": "ClusterRole", "metadata": {"name": finalizers}, "rules": [rule]}
    with system.namespace("row32") as namespace:
        for granted in (role, bound("ClusterRoleBinding", finalizers, finalizers)):
            kubectl.apply(json.dumps(granted))
        for name in (HOME, namespace):
            grant(system, name)
        with system.operator_with(COGNITIVE_WATCH_NAMESPACES=f"{HOME},{namespace}"):
            kubectl.delete("clusterrolebinding", ROLE)
            try:
                system.add_agent(namespace, system.agent("sre", execution={"concurrencyPerWorker": 4}))
                yield namespace
            finally:
                kubectl("apply", "-f", str(RBAC))
                kubectl.delete("clusterrolebinding,clusterrole", finalizers)
                kubectl.within(HOME).delete("rolebinding", BINDING)


def is_available(system: FaultSystem, namespace: str) -> bool:
    return system.operator.metric("cognitive_operator_namespace_available", namespace=namespace) == 1.0


def readiness(system: FaultSystem) -> str:
    with urllib.request.urlopen(system.operator.metrics_url.replace("/metrics", "/readyz"), timeout=10) as answer:
        return str(answer.read().decode())


def restart(system: FaultSystem) -> None:
    system.operator.kill()
    system.operator.resume()


def test_row_32_the_rights_in_a_namespace_are_taken_while_its_tasks_run(
    trial: Trial, system: FaultSystem, narrow: str, measured: Measured
) -> None:
    """Their results wait on the broker, also while the operator is killed; each attempt has run once."""
    trial.namespaces.append(narrow)
    names = ["row32-runs-0", "row32-runs-1"]
    system.model.script(contains="<row32-runs", delay_s=10.0)
    bodies = trial.start(*names, agent="sre", namespace=narrow)
    trial.wait_phase("Running", *names, namespace=narrow)
    system.servers.plane.kubectl.within(narrow).delete("rolebinding", BINDING)
    eventually(lambda: not is_available(system, narrow), LOST_WITHIN_S, 0.5)
    eventually(lambda: system.model.in_flight == 0, 30.0)
    restart(system)
    trial.start("row32-beside")
    trial.wait_phase("Succeeded", "row32-beside")
    assert {system.observer.tasks(narrow)[name].phase for name in names} == {"Running"}
    told = readiness(system)
    assert f"namespace {narrow} is lost, its tasks wait: " in told
    assert "cannot list resource" in told
    assert "grant the operator its rights there again, or remove the namespace" in told
    grant(system, narrow)
    eventually(lambda: is_available(system, narrow), FOUND_WITHIN_S, 0.5)
    trial.wait_phase("Succeeded", *names, namespace=narrow)
    assert [trial.executions(body) for body in bodies] == [{1: 1}] * 2
    trial.finish()


def test_row_32_a_namespace_deleted_while_its_tasks_run_and_the_operator_killed(
    trial: Trial, system: FaultSystem, narrow: str
) -> None:
    """The RoleBinding goes first; the operator stops all attempts, removes the agent's finalizer and leaves nothing."""
    trial.gone_namespaces.append(narrow)
    system.model.script(contains="<row32-gone", hang=True)
    trial.start("row32-gone", agent="sre", namespace=narrow)
    trial.wait_phase("Running", "row32-gone", namespace=narrow)
    uid = system.observer.present(AGENT, narrow)["sre"].uid
    kubectl = system.servers.plane.kubectl
    kubectl("delete", "namespace", narrow, "--wait=false")
    restart(system)
    eventually(lambda: not kubectl("get", "namespace", narrow, "--ignore-not-found").strip(), GONE_WITHIN_S, 0.5)
    eventually(lambda: system.model.in_flight == 0, 20.0)
    eventually(lambda: not system.leftovers(uid), LEFT_WITHIN_S, 0.5)
    trial.start("row32-after")
    trial.wait_phase("Succeeded", "row32-after")
    trial.finish()


@pytest.fixture
def hasty_head(system: FaultSystem) -> Iterator[RayHead]:
    """A Ray head whose jobs wait BROKER_WAIT_S for the broker."""
    variables = {"COGNITIVE_BROKER_WAIT_S": BROKER_WAIT_S}
    with RayHead.start(
        RaySettings(variables=variables, secrets_directory=system.servers.ray.secrets_directory)
    ) as head:
        yield head


def test_row_36_jobs_that_cannot_reach_the_broker(
    trial: Trial, system: FaultSystem, hasty_head: RayHead, measured: Measured
) -> None:
    """Agents and tasks name the URL and what to do; when it is reached again, each task succeeds without a retry."""
    with system.namespace("row36") as namespace:
        trial.namespaces.append(namespace)
        system.add_key(namespace)
        system.loop.run(system.proxies.workers.sever())
        modes: dict[str, Body] = {
            "warm": {},
            "jobs": {"execution": {"mode": "Job"}, "queue": {"maxConcurrentTasks": 2}},
        }
        agents = [system.agent(name, address=hasty_head.address, **spec) for name, spec in modes.items()]
        for created in system.admin.create(namespace, *agents):
            system.mount_key(created["metadata"]["uid"])
        names = {"warm": ["row36-warm"], "jobs": [f"row36-job-{number}" for number in range(3)]}
        bodies: list[Body] = []
        for agent, tasks in names.items():
            bodies += trial.start(*tasks, agent=agent, namespace=namespace, retryPolicy={"maxRetries": 0})
        for agent, tasks in names.items():
            eventually(lambda: are_told(system, namespace, agent, tasks), TOLD_WITHIN_S, 0.5)  # noqa: B023
        system.loop.run(system.proxies.workers.heal())
        everything = [name for tasks in names.values() for name in tasks]
        ended = trial.wait_phase("Succeeded", *everything, timeout_s=150.0, namespace=namespace)
        earlier = [attempt for each in ended for attempt in each.attempts[:-1]]
        measured("attempts that ended without a broker", len(earlier))
        assert {attempt["errorType"] for attempt in earlier} == {"BrokerUnreachable"}
        assert [sum(trial.executions(body).values()) for body in bodies] == [1] * len(bodies)
        trial.finish()


def are_told(system: FaultSystem, namespace: str, agent: str, tasks: list[str]) -> bool:
    """Check that an agent and its waiting tasks name the broker's URL and what to do."""
    cause = f"No connection to the broker at {system.proxies.workers.url}: "
    remedy = "Check that the Ray cluster can reach that URL: the operator's COGNITIVE_RAY_NATS_URL, name resolution"
    condition = system.observer.present(AGENT, namespace)[agent].condition("ExecutorReady")
    seen = [system.observer.tasks(namespace)[name].status for name in tasks]
    assert (condition.get("status"), condition.get("reason")) == ("False", "BrokerUnreachable"), condition
    for message in (condition["message"], *(str(status.get("message")) for status in seen)):
        assert cause in message, message
        assert remedy in message, message
    assert {status["phase"] for status in seen} == {"Queued"}
    return True
