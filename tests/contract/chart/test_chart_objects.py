"""Objects that the chart renders from its values."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm import Helm, HelmError
from support.builders.chart_objects import pod_specs

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "cognitive-operator"
Render = Callable[..., dict[tuple[str, str], dict[str, Any]]]
NAME = "cognitive-operator"
OWN_BROKER = ("--set=nats.enabled=false", "--set=broker.url=tls://nats.example:4222")
PROMETHEUS = (
    "--api-versions=monitoring.coreos.com/v1/ServiceMonitor",
    "--api-versions=monitoring.coreos.com/v1/PrometheusRule",
)


def environment(objects: dict[tuple[str, str], dict[str, Any]]) -> dict[str, str]:
    (container,) = pod_specs(objects)[f"Deployment {NAME}"]["containers"]
    return {item["name"]: item["value"] for item in container["env"]}


def test_helm_finds_nothing_wrong(helm: Helm) -> None:
    helm("lint", "--strict", str(CHART))


def test_every_pod_satisfies_restricted_pod_security(render: Render) -> None:
    specs = pod_specs(render())
    assert len(specs) == 4
    for name, spec in specs.items():
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert {"requests", "limits"} == set(container["resources"]), name
    mounting = [name for name, spec in specs.items() if spec["automountServiceAccountToken"]]
    assert sorted(mounting) == [f"Deployment {NAME}", f"Job {NAME}-nats-keys"]


def test_custom_resources_are_those_of_the_project_and_outlive_the_release(render: Render) -> None:
    objects = render()
    sources = [item for path in sorted((ROOT / "crds").glob("*.yaml")) for item in yaml.safe_load_all(path.read_text())]
    assert len(sources) >= 4
    for source in sources:
        found = objects[source["kind"], source["metadata"]["name"]]
        assert found["spec"] == source["spec"]
        assert found["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    without = render("--set=crds.install=false")
    assert not without.keys() & {(source["kind"], source["metadata"]["name"]) for source in sources}


def test_the_broker_keeps_what_it_acknowledges_and_asks_who_comes(render: Render) -> None:
    objects = render()
    config = objects["ConfigMap", f"{NAME}-nats"]["data"]["nats.conf"]
    assert "sync_interval: always" in config
    assert "max_file_store: 9210Mi" in config
    assert "include ./keys/auth.conf" in config
    assert environment(objects)["COGNITIVE_NATS_CREDS"] == "/etc/cognitive/nats/operator.creds"
    assert "resolver: {type: full, dir: /data/accounts" in config
    assert environment(objects)["COGNITIVE_NATS_ACCOUNTS"] == "/etc/cognitive/accounts"
    mounted = [v["secret"]["items"] for v in pod_specs(objects)[f"Deployment {NAME}"]["volumes"] if "secret" in v]
    keys = {item["path"] for items in mounted for item in items}
    assert keys == {"operator.creds", "root.nk", "account.nk", "system.creds"}
    hooks = objects["Job", f"{NAME}-nats-keys"]["metadata"]["annotations"]
    assert hooks["helm.sh/hook"] == "pre-install,pre-upgrade"
    opened = render("--set=nats.auth.enabled=false")
    assert "include" not in opened["ConfigMap", f"{NAME}-nats"]["data"]["nats.conf"]
    assert not {"COGNITIVE_NATS_CREDS", "COGNITIVE_NATS_ACCOUNTS"} & set(environment(opened))
    assert ("Job", f"{NAME}-nats-keys") not in opened


def test_a_broker_of_ones_own_takes_the_place(render: Render) -> None:
    objects = render(
        *OWN_BROKER, "--set=broker.credentialsSecret.name=mine", "--set=broker.credentialsSecret.key=a.creds"
    )
    assert not [name for kind, name in objects if name.startswith(f"{NAME}-nats")]
    env = environment(objects)
    assert env["COGNITIVE_NATS_URL"] == env["COGNITIVE_RAY_NATS_URL"] == "tls://nats.example:4222"
    volume = pod_specs(objects)[f"Deployment {NAME}"]["volumes"][1]
    assert volume["secret"] == {"secretName": "mine", "items": [{"key": "a.creds", "path": "operator.creds"}]}
    assert "COGNITIVE_NATS_ACCOUNTS" not in env
    assert "COGNITIVE_NATS_CREDS" not in environment(render(*OWN_BROKER))


def test_settings_of_the_operator_arrive(render: Render) -> None:
    env = environment(
        render(
            "--set=operator.logLevel=DEBUG,operator.ttlSecondsAfterFinished=2147483647,operator.rayJobs=10000",
            "--set=operator.rayTasks=64,operator.namespaceQueuedTasks=1000000,broker.rayUrl=nats://outside:4222",
            "--set=operator.otlpEndpoint=http://collector:4318,operator.rayOtlpEndpoint=http://outside:4318",
            '--set-json=operator.extraEnv=[{"name":"HTTPS_PROXY","value":"http://proxy"}]',
        )
    )
    assert env["LOG_LEVEL"] == "DEBUG"
    assert env["COGNITIVE_TTL_SECONDS_AFTER_FINISHED"] == "2147483647"
    assert (env["COGNITIVE_RAY_JOBS"], env["COGNITIVE_RAY_TASKS"]) == ("10000", "64")
    assert env["COGNITIVE_NAMESPACE_QUEUED_TASKS"] == "1000000"
    assert env["COGNITIVE_RAY_NATS_URL"] == "nats://outside:4222"
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
    assert env["COGNITIVE_RAY_OTLP_ENDPOINT"] == "http://outside:4318"
    assert env["HTTPS_PROXY"] == "http://proxy"
    assert not any("OTLP" in name for name in environment(render()))


def test_monitoring_is_made_only_where_its_api_exists(render: Render) -> None:
    kinds = {"ServiceMonitor", "PrometheusRule"}
    assert not kinds & {kind for kind, _ in render()}
    assert kinds <= {kind for kind, _ in render(*PROMETHEUS)}
    off = "--set=metrics.serviceMonitor.enabled=false,metrics.prometheusRule.enabled=false"
    assert not kinds & {kind for kind, _ in render(*PROMETHEUS, off)}


def test_only_the_operator_and_ray_reach_the_broker(render: Render) -> None:
    policy = render('--set-json=networkPolicy.brokerFrom=[{"ipBlock":{"cidr":"10.0.0.0/8"}}]')[
        "NetworkPolicy", f"{NAME}-nats"
    ]
    (clients,) = policy["spec"]["ingress"]
    assert clients["ports"] == [{"port": "client"}]
    own = {"key": "app.kubernetes.io/component", "operator": "In", "values": ["operator", "test"]}
    assert clients["from"][0]["podSelector"]["matchExpressions"] == [own]
    assert clients["from"][1]["podSelector"] == {"matchExpressions": [{"key": "ray.io/cluster", "operator": "Exists"}]}
    assert clients["from"][2] == {"ipBlock": {"cidr": "10.0.0.0/8"}}
    assert "egress" not in policy["spec"]
    assert not [name for kind, name in render("--set=networkPolicy.enabled=false") if kind == "NetworkPolicy"]


def test_selectors_match_their_pods_and_a_digest_wins(render: Render) -> None:
    objects = render("--set=image.digest=sha256:" + "a" * 64)
    for kind, name in (("Deployment", NAME), ("StatefulSet", f"{NAME}-nats")):
        spec = objects[kind, name]["spec"]
        assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    image = pod_specs(objects)[f"Deployment {NAME}"]["containers"][0]["image"]
    assert image == "seedcore/cognitive-operator@sha256:" + "a" * 64


@pytest.mark.parametrize(
    "wrong",
    [
        "replicas=2",
        "operator.loglevel=INFO",
        "operator.logLevel=LOUD",
        "watchNamespaces={Team}",
        "nats.storage.size=big",
        "broker.url=nats://user:secret@host:4222",
        "nats.enabled=false",
        "broker.url=nats://mine:4222",
        "broker.credentialsSecret.name=mine",
        "nats.storage.size=1.5Gi",
        "image.digest=sha256:abc",
    ],
)
def test_values_that_mean_nothing_are_refused(helm: Helm, wrong: str) -> None:
    with pytest.raises(HelmError):
        helm.render(CHART, f"--set={wrong}")


def test_every_value_has_its_place_in_the_schema_and_a_word(helm: Helm) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    schema = yaml.safe_load((CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert set(schema["properties"]) - {"enabled"} == set(values)
    assert schema["additionalProperties"] is False


def test_names_follow_the_release(helm: Helm) -> None:
    names = {item["metadata"]["name"] for item in helm.render(CHART, release="minds")}
    assert {"minds-cognitive-operator", "minds-cognitive-operator-nats", "minds-cognitive-operator-view"} <= names
