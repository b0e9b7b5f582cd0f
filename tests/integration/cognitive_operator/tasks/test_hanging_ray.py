"""A Ray that answers and takes no jobs: its agents and their tasks say so, and no other namespace waits for it."""

from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from support.builders.cognitive_objects import Cluster, agent, task
from support.eventually import eventually
from support.faults.loop import LoopThread
from support.servers.http_double import HANG, HttpDouble, Reply
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]
AGENTS = TASKS = 8
VERSION = Reply(json={"version": "4", "ray_version": "2.60.0", "ray_commit": "", "session_name": ""})


@pytest.fixture
def dashboards() -> Iterator[list[HttpDouble]]:
    """Dashboards that answer their version, and hang on every other call."""
    made = [HttpDouble() for _ in range(AGENTS)]
    for dashboard in made:
        dashboard.answer_by(lambda _, path, __: None if path.startswith("/api/jobs/") else VERSION)
        dashboard.reply("POST /api/jobs/", HANG)
    with LoopThread() as loop:
        stack = AsyncExitStack()
        for dashboard in made:
            loop.run(stack.enter_async_context(dashboard.serve()))
        yield made
        loop.run(stack.aclose())


def test_agents_whose_ray_takes_no_jobs_delay_no_other_namespace_and_say_so(
    cluster: Cluster, home: Cluster, model: ScriptedModel, dashboards: list[HttpDouble]
) -> None:
    job = {"execution": {"mode": "Job"}, "queue": {"maxConcurrentTasks": TASKS}}
    names = [f"stuck-{number}" for number in range(AGENTS)]
    cluster.apply(
        *(agent(name, dashboard.url, model.url, **job) for name, dashboard in zip(names, dashboards, strict=True))
    )
    for name in names:
        cluster.wait_ready(name)
    cluster.apply(*(task(f"{name}-{number}", name) for name in names for number in range(TASKS)))
    eventually(lambda: sum(len(submissions(dashboard)) for dashboard in dashboards) >= AGENTS, 30.0)
    others = [f"beside-{number}" for number in range(8)]
    home.apply(*(task(name, "thinker") for name in others))
    for name in others:
        home.wait_phase(name, "Succeeded", 10.0)
    assert all(status.get("phase") == "Queued" for status in waited(cluster).values())
    for name, dashboard in zip(names, dashboards, strict=True):
        status, message = cluster.wait_condition(name, "RayReady", "RayTakesNoJobs", 60.0)
        assert (status, message) == ("False", sentence(dashboard))
    eventually(lambda: {s.get("reason") for s in cluster.tasks().values()} == {"AgentNotReady"}, 30.0)
    told = cluster.status("stuck-0-0")["message"]
    assert told.startswith(f"CognitiveAgent {cluster.kubectl.namespace}/stuck-0 is not ready (RayTakesNoJobs): ")
    assert sentence(dashboards[0]) in told


def submissions(dashboard: HttpDouble) -> list[str]:
    return [asked.path for asked in dashboard.asked if asked.method == "POST"]


def waited(cluster: Cluster) -> dict[str, dict[str, object]]:
    """Wait until every task has a status, and return them."""
    eventually(lambda: all("phase" in status for status in cluster.tasks().values()), 10.0)
    return cluster.tasks()


def sentence(dashboard: HttpDouble) -> str:
    return (
        f"spec.ray.address: the dashboard at {dashboard.url} answers, but takes no jobs: {dashboard.url}/api/jobs/: "
        "no answer within 15 s. Check the dashboard's log and the load of Ray's head; restart the head if it does not "
        "recover. The operator keeps trying."
    )
