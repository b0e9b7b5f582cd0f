"""Untrusted messages on the response subjects."""

import urllib.request

import nats
import pytest

from servers.nats import NatsServer
from servers.operator import OperatorProcess
from support.builders.cognitive_objects import Cluster, task
from support.eventually import LIMIT_S, eventually
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]


def dropped(operator: OperatorProcess) -> dict[str, float]:
    """Return how many responses were dropped, by reason."""
    with urllib.request.urlopen(operator.metrics_url, timeout=LIMIT_S) as answer:
        lines = answer.read().decode().splitlines()
    counted = [line for line in lines if line.startswith("cognitive_operator_results_dropped_total{")]
    return {line.split('reason="')[1].split('"')[0]: float(line.rsplit(" ", 1)[1]) for line in counted}


async def test_they_are_dropped_and_counted_and_others_flow(
    home: Cluster, model: ScriptedModel, nats_server: NatsServer, operator_process: OperatorProcess
) -> None:
    model.script(contains="not yet", is_held=True)
    home.apply(task("honest", "thinker", input={"error_message": "not yet"}))
    home.wait_phase("honest", "Running")
    eventually(lambda: model.in_flight == 1, 10.0)
    uid = home.get("ctask", "honest")["metadata"]["uid"]
    agent_uid = home.get("cagent", "thinker")["metadata"]["uid"]
    before = dropped(operator_process)
    subject = f"agent.response.completed.thinkers.{agent_uid}.{uid}.1"
    client = await nats.connect(nats_server.url)
    try:
        stream = client.jetstream()
        await stream.publish(subject, b'{"status":"completed"}')
        await stream.publish(subject, b'{"status":"completed"}', headers={"Cognitive-Signature": "00" * 32})
        await stream.publish("agent.response.nonsense", b"\xff\xfe")
        await stream.publish(f"agent.response.failed.thinkers.{agent_uid}.{uid}.0", b"{}")
    finally:
        await client.close()

    def counted() -> bool:
        now = dropped(operator_process)
        news = {reason: now.get(reason, 0) - before.get(reason, 0) for reason in now}
        return (news.get("Unsigned"), news.get("WrongSignature"), news.get("BadSubject")) == (1, 1, 2)

    eventually(counted, 10.0)
    model.release()
    status = home.wait_phase("honest", "Succeeded")
    assert status["attempts"][0]["outcome"] == "Succeeded"
