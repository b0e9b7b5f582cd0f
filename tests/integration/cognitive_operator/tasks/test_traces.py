"""Traces from the task over its attempts to the calls of the model, as an OpenTelemetry collector gets them."""

from collections.abc import Iterator

import pytest

from controlplane import ControlPlane
from servers.nats import NatsServer
from servers.operator import OperatorProcess, OperatorSettings
from support.builders.cognitive_objects import Cluster, agent, task
from support.eventually import eventually
from support.ray_double.server import RayServer
from support.servers.otlp_collector import OtlpCollector, Span
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("crds")]
FAST = {"maxRetries": 1, "backoffSeconds": 1}


@pytest.fixture(scope="module")
def collector() -> Iterator[OtlpCollector]:
    with OtlpCollector() as found:
        yield found


@pytest.fixture(scope="module")
def tracing_operator(
    control_plane: ControlPlane,
    nats_server: NatsServer,
    without_operator: None,
    collector: OtlpCollector,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OperatorProcess]:
    log = tmp_path_factory.mktemp("traced") / "operator.log"
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with OperatorProcess.start(OperatorSettings(control_plane.kubeconfig_path, nats_server.url, log, env)) as process:
        yield process


@pytest.fixture(scope="module")
def traced(
    control_plane: ControlPlane, tracing_operator: OperatorProcess, ray_server: RayServer, model_server: ScriptedModel
) -> Iterator[Cluster]:
    """A namespace of an operator that traces, with an agent of each mode."""
    control_plane.kubectl("create", "namespace", "traced")
    cluster = Cluster(control_plane.kubectl.within("traced"))
    cluster.apply(
        agent("warm", ray_server.address, model_server.url),
        agent("jobs", ray_server.address, model_server.url, execution={"mode": "Job"}),
    )
    cluster.wait_ready("warm")
    cluster.wait_ready("jobs")
    yield cluster
    cluster.kubectl("delete", "cagent", "--all", "--timeout=40s")


def trace_of(cluster: Cluster, collector: OtlpCollector, name: str, count: int) -> dict[str, Span]:
    body = cluster.get("ctask", name)
    found = body["status"]["traceId"]
    assert found == body["metadata"]["uid"].replace("-", "")
    eventually(lambda: len(collector.of(found)) == count, 20.0, 0.2)
    return collector.of(found)


@pytest.mark.parametrize("mode", ["warm", "jobs"])
def test_a_task_is_one_trace_down_to_the_call_of_the_model(
    traced: Cluster, collector: OtlpCollector, model: ScriptedModel, mode: str
) -> None:
    model.script(delay_s=0.3)
    traced.apply(task(f"one-{mode}", mode))
    usage = traced.wait_phase(f"one-{mode}", "Succeeded", 60.0)["usage"]
    spans = trace_of(traced, collector, f"one-{mode}", 4)
    chat = next(name for name in spans if name.startswith("chat "))
    way = [spans[name] for name in ("CognitiveTask", "attempt", "execute", chat)]
    assert [span.parent_id for span in way] == ["", *(span.span_id for span in way[:3])]
    assert [span.service for span in way] == ["cognitive-operator"] * 2 + ["cognitive-runtime"] * 2
    assert all(span.seconds >= 0.3 for span in way)
    assert not any(span.is_error for span in way)
    assert way[1].attributes["cognitive.attempt.outcome"] == "Succeeded"
    assert way[3].attributes["gen_ai.usage.input_tokens"] == usage["promptTokens"]


def test_a_failure_is_an_error_of_its_spans_and_a_retry_another_attempt(
    traced: Cluster, collector: OtlpCollector, model: ScriptedModel
) -> None:
    model.script(status=500)
    traced.apply(task("fails", "warm", retryPolicy=FAST))
    trace = traced.wait_phase("fails", "Failed", 60.0)["traceId"]
    eventually(lambda: sum(s.name == "attempt" for s in collector.spans if s.trace_id == trace) == 2, 20.0, 0.2)
    attempts = [span for span in collector.spans if span.trace_id == trace and span.name == "attempt"]
    assert [span.is_error for span in attempts] == [True, True]
    assert {span.attributes["cognitive.attempt.number"] for span in attempts} == {1, 2}
    assert eventually(lambda: collector.of(trace).get("CognitiveTask"), 20.0, 0.2).is_error
