"""Every attempt as a Ray job of its own."""

import pytest

from support.builders.cognitive_objects import Cluster, task
from support.cluster.ray_submissions import RaySubmissions
from support.eventually import LIMIT_S, eventually
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]


def test_an_attempt_is_a_ray_job_whose_entrypoint_names_only_the_subject(
    home: Cluster, model: ScriptedModel, ray_server: RayServer
) -> None:
    home.apply(task("as-job", "jobber", "TaskPlanning"))
    status = home.wait_phase("as-job", "Succeeded", 60.0)
    uid = home.get("ctask", "as-job")["metadata"]["uid"]
    agent_uid = home.get("cagent", "jobber")["metadata"]["uid"]
    assert (status["mode"], status["submissionId"]) == ("Job", f"ct-{uid}-1")
    job = RaySubmissions(ray_server.address).details(f"ct-{uid}-1")
    subject = f"agent.request.thinkers.{agent_uid}.{uid}.1"
    assert job["entrypoint"] == f"python -m cognitive_runtime attempt {subject}"
    assert set(job["runtime_env"]["env_vars"]) == {"COGNITIVE_NATS_URL", "COGNITIVE_SUBMISSION_ID"}
    assert set(model.executions.values()) == {1}


def test_deleting_a_task_stops_its_ray_job(home: Cluster, model: ScriptedModel, ray_server: RayServer) -> None:
    model.script(contains="hangs as a job", hang=True)
    home.apply(task("job-deleted", "jobber", input={"error_message": "hangs as a job"}))
    eventually(lambda: model.in_flight == 1, 30.0)
    uid = home.get("ctask", "job-deleted")["metadata"]["uid"]
    home.kubectl("delete", "ctask", "job-deleted", f"--timeout={LIMIT_S}s")
    eventually(lambda: model.in_flight == 0, 10.0)
    eventually(lambda: f"ct-{uid}-1" not in RaySubmissions(ray_server.address).ids(), 20.0)
