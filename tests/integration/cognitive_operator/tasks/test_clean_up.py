"""Deletion of tasks after their time to live, and of their objects on the broker and on Ray."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from servers.nats import NatsServer
from servers.operator import OperatorProcess
from support.builders.cognitive_objects import Cluster, task
from support.cluster import leftovers
from support.cluster.api_client import ApiError
from support.cluster.ray_submissions import RaySubmissions
from support.eventually import LIMIT_S, eventually
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]
LARGE = {"thought": "x" * 40_000, "proposed_solution": "restart", "confidence_score": 0.5}


def exists(cluster: Cluster, name: str) -> bool:
    try:
        return bool(cluster.get("ctask", name))
    except ApiError:
        return False


def uid_of(cluster: Cluster, name: str) -> str:
    return str(cluster.get("ctask", name)["metadata"]["uid"])


def age_s(status: dict[str, Any]) -> float:
    """Return the seconds since the end of a task, by the clock of this machine, which is the operator's."""
    return (datetime.now(UTC) - datetime.fromisoformat(status["finishedAt"])).total_seconds()


def large_task(name: str, agent: str, **spec: Any) -> dict[str, Any]:
    return task(name, agent, input={"error_message": "a large answer"}, **spec)


def test_a_finished_task_goes_in_its_time_and_all_that_it_left_goes_with_it(
    home: Cluster, model: ScriptedModel, nats_server: NatsServer
) -> None:
    model.script(contains="a large answer", content=json.dumps(LARGE))
    home.apply(large_task("short-lived", "thinker", ttlSecondsAfterFinished=8), large_task("stays", "thinker"))
    status = home.wait_phase("short-lived", "Succeeded")
    uid = uid_of(home, "short-lived")
    assert status["resultRef"]["sizeBytes"] > 40_000
    assert {s.split(".")[0] for s in leftovers.of_task(nats_server.url, uid)} == {"agent", "$KV", "$O"}
    eventually(lambda: not exists(home, "short-lived"), 16.0)
    assert age_s(status) >= 8.0
    eventually(lambda: leftovers.of_task(nats_server.url, uid) == set(), 10.0)
    assert exists(home, "stays")
    assert leftovers.of_task(nats_server.url, uid_of(home, "stays"))


def test_the_time_to_live_may_change_after_the_end_and_never_counts_before(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="slowly", is_held=True)
    home.apply(task("impatient", "thinker", input={"error_message": "slowly"}, ttlSecondsAfterFinished=1))
    home.apply(task("longer", "thinker", ttlSecondsAfterFinished=6))
    status = home.wait_phase("longer", "Succeeded")
    home.patch("ctask", "longer", {"spec": {"ttlSecondsAfterFinished": 3600}})
    home.wait_phase("impatient", "Running")
    eventually(lambda: age_s(status) > 8.0, 10.0)  # longer than both times to live at the creation
    assert exists(home, "longer")
    assert exists(home, "impatient")
    model.release()
    eventually(lambda: not exists(home, "impatient"), 20.0)
    home.patch("ctask", "longer", {"spec": {"ttlSecondsAfterFinished": 0}})
    eventually(lambda: not exists(home, "longer"), 6.0)


def test_a_deleted_job_task_leaves_nothing_on_the_broker_and_on_ray(
    home: Cluster, model: ScriptedModel, nats_server: NatsServer, ray_server: RayServer
) -> None:
    model.script(contains="a large answer", content=json.dumps(LARGE))
    model.script(contains="hangs for ever", hang=True)
    home.apply(large_task("job-ended", "jobber"))
    home.wait_phase("job-ended", "Succeeded", 60.0)
    home.apply(task("job-runs", "jobber", input={"error_message": "hangs for ever"}))
    eventually(lambda: model.in_flight == 1, 40.0)
    uids = [uid_of(home, name) for name in ("job-ended", "job-runs")]
    jobs = RaySubmissions(ray_server.address)
    assert all(f"ct-{uid}-1" in jobs.ids() for uid in uids)
    home.kubectl("delete", "ctask", "job-ended", "job-runs", f"--timeout={LIMIT_S}s")
    eventually(lambda: not any(f"ct-{uid}-1" in jobs.ids() for uid in uids), 30.0)
    eventually(lambda: [leftovers.of_task(nats_server.url, uid) for uid in uids] == [set(), set()], 10.0)


def test_what_a_task_left_is_found_when_it_was_deleted_behind_the_operators_back(
    home: Cluster, model: ScriptedModel, nats_server: NatsServer, operator_process: OperatorProcess
) -> None:
    model.script(contains="a large answer", content=json.dumps(LARGE))
    home.apply(large_task("unseen", "thinker"))
    home.wait_phase("unseen", "Succeeded")
    uid = uid_of(home, "unseen")
    assert leftovers.of_task(nats_server.url, uid)
    operator_process.kill()
    home.kubectl("delete", "ctask", "unseen", f"--timeout={LIMIT_S}s")
    operator_process.resume()
    eventually(lambda: leftovers.of_task(nats_server.url, uid) == set(), 90.0)
