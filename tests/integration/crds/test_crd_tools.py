"""Tools of agents and tasks: what the API server stores, and what it refuses."""

import json
from typing import Any

import pytest

from support.builders.crd_objects import agent, own_ray, task
from support.builders.tool_sidecars import handy_agent
from support.cluster.api_client import Namespace

pytestmark = pytest.mark.integration


def tools(ray: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return the spec of an agent with one tool server at a URL, some of whose fields are replaced or removed."""
    server = {"name": "files", "url": "http://files/mcp"} | fields
    servers = [{name: value for name, value in server.items() if value is not None}]
    return {"tools": {"servers": servers}, **(ray or {})}


def sidecar(name: str = "git", **fields: Any) -> dict[str, Any]:
    """Return a server in a sidecar."""
    return {"name": name, "command": ["serve"], "image": "tools:1", "port": 9000, **fields}


SIDECAR: dict[str, Any] = {"url": None, "command": ["serve"], "image": "tools:1", "port": 9000}
AT_A_REF = {"ray": {"address": None, "clusterRef": {"name": "shared"}}}
TOOLS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    (tools(url=None), ("spec.tools.servers[] needs exactly one of url and command",)),
    (tools(own_ray(), **SIDECAR | {"url": "http://x/mcp"}), ("needs exactly one of url and command",)),
    (tools(**SIDECAR), ("spec.tools.servers[].command needs spec.ray.cluster; with clusterRef or address",)),
    (tools(AT_A_REF, **SIDECAR), ("servers are named by url",)),
    (
        tools(own_ray(authOptions={"mode": "disabled"}), **SIDECAR),
        ("spec.tools.servers[].command needs spec.ray.cluster.authOptions.mode token",),
    ),
    (tools(own_ray(), **SIDECAR | {"image": None}), ("with command needs image and port",)),
    (tools(own_ray(), **SIDECAR | {"port": None}), ("with command needs image and port",)),
    (tools(image="tools:1"), ("servers with url have neither",)),
    (tools(resources={}), ("spec.tools.servers[].resources goes with command",)),
    (tools(own_ray(), **SIDECAR | {"command": []}), ("spec.tools.servers[0].command", "at least 1 items")),
    (tools(own_ray(), **SIDECAR | {"command": [""]}), ("spec.tools.servers[0].command[0]", "at least 1 char")),
    *[(tools(own_ray(), **SIDECAR | {"port": port}), ("must not be a port of Ray",)) for port in (6379, 8265, 10001)],
    (tools(own_ray(), **SIDECAR | {"port": 80}), ("spec.tools.servers[0].port", "1024")),
    (
        {"tools": {"servers": [sidecar("a"), sidecar("b")]}, **own_ray()},
        ("spec.tools.servers needs another port for each server with command",),
    ),
    ({"tools": {"servers": [{"name": "a", "url": f"http://{n}/"} for n in ("x", "y")]}}, ("Duplicate", "servers")),
    (tools(name="Files"), ("spec.tools.servers[0].name",)),
    (tools(name="x" * 41), ("spec.tools.servers[0].name", "40")),
    (tools(name="workspace"), ("spec.tools.servers[].name must not be workspace",)),
    *[
        (tools(url=url), ("spec.tools.servers[].url must",))
        for url in ("ftp://x/mcp", "files", "http://x/mcp?key=1", "http://me:pw@x/mcp", "http://x/#a")
    ],
    (tools(allow=[""]), ("spec.tools.servers[0].allow[0]", "at least 1 char")),
    (tools(allow=["two words"]), ("spec.tools.servers[0].allow[0]", "should match")),
    (tools(allow=["a", "a"]), ("spec.tools.servers[0].allow", "Duplicate")),
    (tools(timeoutSeconds=0), ("spec.tools.servers[0].timeoutSeconds", "1")),
    (tools(tokenSecretRef={}), ("tokenSecretRef.name", "Required")),
    ({"tools": {"maxOperations": 1001}}, ("spec.tools.maxOperations", "1000")),
    ({"tools": {"maxIterations": 51}}, ("spec.tools.maxIterations", "50")),
    ({"tools": {"workspace": {}}}, ("spec.tools.workspace needs exactly one of emptyDir, git and pvc",)),
    (
        {"tools": {"workspace": {"emptyDir": {}, "git": {"url": "https://g/x"}}}},
        ("spec.tools.workspace needs exactly one of emptyDir, git and pvc",),
    ),
    ({"tools": {"workspace": {"pvc": {"claimName": "c"}}}}, ("spec.tools.workspace.pvc needs spec.ray.cluster",)),
    *[
        ({"tools": {"workspace": {"git": {"url": url}}}}, ("spec.tools.workspace.git.url must",))
        for url in ("http://g/x", "file:///etc", "https://me:pw@g/x", "git@g:x.git")
    ],
    (
        {"tools": {"workspace": {"git": {"url": "https://g/x", "ref": "--upload-pack=x"}}}},
        ("spec.tools.workspace.git.ref", "should match"),
    ),
    ({"tools": {"workspace": {"emptyDir": {"sizeLimit": "big"}}}}, ("spec.tools.workspace.emptyDir.sizeLimit",)),
    (
        {"taskDefaults": {"retryPolicy": {"afterSideEffects": "Always"}}},
        ("spec.taskDefaults.retryPolicy.afterSideEffects", '"Never", "Retry"'),
    ),
]


@pytest.mark.parametrize(("spec", "said"), TOOLS, ids=lambda v: json.dumps(v)[:80] if isinstance(v, dict) else "")
def test_tools_out_of_bounds_are_refused(default: Namespace, spec: dict[str, Any], said: tuple[str, ...]) -> None:
    default.check_refusal(agent(**spec), *said)


def test_tools_get_their_defaults(home: Namespace) -> None:
    url = {"name": "shop", "url": "https://shop.example:8443/mcp", "tokenSecretRef": {"name": "shop"}}
    given = {"servers": [url, sidecar(allow=["*"])], "workspace": {"git": {"url": "https://git/x.git"}}}
    assert home.stored(agent(tools=given, **own_ray()))["tools"] == {
        "servers": [
            url | {"tokenSecretRef": {"name": "shop", "key": "token"}, "timeoutSeconds": 30},
            sidecar(allow=["*"], timeoutSeconds=30),
        ],
        "workspace": {"git": {"url": "https://git/x.git"}, "readOnly": True},
        "maxOperations": 100,
        "maxIterations": 10,
    }


@pytest.mark.parametrize("workspace", [{"emptyDir": {"sizeLimit": "1Gi"}}, {"pvc": {"claimName": "c"}}])
def test_an_own_cluster_takes_every_workspace(home: Namespace, workspace: dict[str, Any]) -> None:
    stored = home.stored(agent(tools={"workspace": workspace}, **own_ray()))
    assert stored["tools"]["workspace"] == {**workspace, "readOnly": True}


def test_servers_at_a_url_go_with_any_ray(home: Namespace) -> None:
    for number, ray in enumerate(({}, AT_A_REF, own_ray(authOptions={"mode": "disabled"}))):
        stored = home.stored(agent(f"a{number}", **tools(ray)))
        assert stored["tools"]["servers"][0]["url"] == "http://files/mcp"


def test_a_task_asks_for_tools_and_keeps_its_wish(home: Namespace) -> None:
    policy = {"afterSideEffects": "Retry"}
    stored = home.stored(task(tools={"enabled": True}, retryPolicy=policy))
    assert (stored["tools"], stored["retryPolicy"]) == ({"enabled": True}, policy)
    assert "tools" not in home.stored(task("plain"))


AGREEMENT = {"members": 2, "selection": {"method": "Agreement"}}


def test_a_deliberation_with_tools_is_refused_and_one_without_is_not(default: Namespace, home: Namespace) -> None:
    message = default.refusal(task(tools={"enabled": True}, deliberation=AGREEMENT))
    assert (
        "spec.tools.enabled must not be true with spec.deliberation, whose members call no tools; remove one of the two"
    ) in message
    assert home.stored(task(tools={"enabled": False}, deliberation=AGREEMENT))["tools"] == {"enabled": False}


def test_the_agent_of_the_end_to_end_tests_is_accepted(home: Namespace) -> None:
    made = handy_agent("handy", "http://model/v1", "model-key")
    stored = home.stored(made)["tools"]["servers"]
    assert [each["command"] for each in stored] == [each["command"] for each in made["spec"]["tools"]["servers"]]
