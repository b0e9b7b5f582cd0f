"""Names in the chart's alerts and test pod: each metric, port and stream exists."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import generate_latest

from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.adapters.nats.stream_specs import shared_streams
from cognitive_operator.adapters.telemetry.metrics import PrometheusMetrics
from cognitive_operator.ports.telemetry import QueueSample

CHART = Path(__file__).parents[3] / "charts" / "cognitive-operator"
NAME = "cognitive-operator"
Render = Callable[..., dict[tuple[str, str], dict[str, Any]]]
OWN_BROKER = ("--set=nats.enabled=false", "--set=broker.url=nats://nats.example:4222")


def served_metrics() -> str:
    metrics = PrometheusMetrics(0)
    metrics.set_queues([QueueSample("default", "agent", 1, 1, 1.0)])
    return generate_latest(metrics.registry).decode()


def arguments(objects: dict[tuple[str, str], dict[str, Any]]) -> list[str]:
    (container,) = objects["Pod", f"{NAME}-test"]["spec"]["containers"]
    found: list[str] = container["args"]
    return found


def test_alerts_ask_for_metrics_that_the_operator_serves(render: Render) -> None:
    rule = render("--api-versions=monitoring.coreos.com/v1/PrometheusRule")["PrometheusRule", NAME]
    expressions = " ".join(alert["expr"] for group in rule["spec"]["groups"] for alert in group["rules"])
    names = set(re.findall(r"\bcognitive_\w+", expressions))
    assert len(names) == 3
    served = served_metrics()
    for name in names:
        assert re.search(rf"^# TYPE {name.removesuffix('_total')}(_total)? ", served, re.MULTILINE), name


def test_a_scrape_finds_the_operators_pod(render: Render) -> None:
    objects = render("--api-versions=monitoring.coreos.com/v1/ServiceMonitor")
    wanted = objects["ServiceMonitor", NAME]["spec"]["selector"]["matchLabels"]
    services = [n for (kind, n), item in objects.items() if kind == "Service" and has(item["metadata"], wanted)]
    assert services == [f"{NAME}-metrics"]
    service = objects["Service", services[0]]["spec"]
    template = objects["Deployment", NAME]["spec"]["template"]
    assert has(template["metadata"], service["selector"])
    ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
    assert ports[service["ports"][0]["targetPort"]] == service["ports"][0]["port"]


def test_the_installations_own_test_looks_for_the_streams_of_the_layout(render: Render) -> None:
    script, metrics, broker, *credentials = arguments(render())
    assert script == (CHART / "files" / "connected.py").read_text(encoding="utf-8")
    for stream in shared_streams(NatsSettings(broker)):
        assert f'"{stream.name}"' in script
    assert metrics == f"http://{NAME}-metrics.cognitive-system.svc:8081/metrics"
    assert broker == f"nats://{NAME}-nats.cognitive-system.svc:4222"
    assert credentials == ["/etc/cognitive/nats/operator.creds", "closed"]
    assert len(arguments(render("--set=nats.auth.enabled=false"))) == 3
    assert arguments(render(*OWN_BROKER, "--set=broker.credentialsSecret.name=mine"))[3:] == credentials[:1]


def has(metadata: dict[str, Any], labels: dict[str, str]) -> bool:
    return bool(labels.items() <= metadata["labels"].items())
