"""Protocols of the chart's Services, which a service mesh reads."""

from collections.abc import Callable

from support.builders.chart_objects import NAME, Objects, containers

Render = Callable[..., Objects]


def test_every_port_names_its_protocol(render: Render) -> None:
    found = {
        (name, port["name"], port["port"]): port["appProtocol"]
        for (kind, name), item in render().items()
        if kind == "Service"
        for port in item["spec"]["ports"]
    }
    assert found == {
        (f"{NAME}-metrics", "metrics", 8081): "http",
        (f"{NAME}-nats", "client", 4222): "tcp",
        (f"{NAME}-nats", "monitor", 8222): "http",
    }


def test_services_and_policies_name_ports_that_containers_have(render: Render) -> None:
    objects = render()
    ports = {port["name"] for each in containers(objects).values() for port in each.get("ports", [])}
    wanted = {
        port["targetPort"] for (kind, _), item in objects.items() if kind == "Service" for port in item["spec"]["ports"]
    }
    admitted = {
        port["port"]
        for (kind, _), item in objects.items()
        if kind == "NetworkPolicy"
        for rule in item["spec"]["ingress"]
        for port in rule["ports"]
    }
    assert wanted == {"metrics", "client", "monitor"}
    assert admitted == {"metrics", "client"}
    assert wanted | admitted <= ports
