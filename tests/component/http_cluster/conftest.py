"""A namespace with an agent, a caller with a token, the HTTP API, and an operator that the test plays."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from controlplane import ControlPlane
from servers.ports import free_ports
from support.builders.crd_objects import agent
from support.cluster.api_client import ApiClient, Namespace
from support.cluster.http_cluster import CALLER_RULES, Caller, PlayedOperator, account, serving
from support.eventually import LIMIT_S
from support.servers.tcp_relay import relay

Serve = Callable[..., str]
Relay = tuple[Path, Callable[[], AbstractContextManager[None]]]


@pytest.fixture
def home(api: ApiClient, namespace: str) -> Namespace:
    """A namespace with the agent ``sre``."""
    found = Namespace(api, namespace)
    found.create(agent("sre", llm={"provider": "vllm"}))
    return found


@pytest.fixture
def operator(home: Namespace) -> Iterator[PlayedOperator]:
    found = PlayedOperator(home)
    yield found
    found.close()


@pytest.fixture
def token(api: ApiClient, home: Namespace) -> str:
    return account(api, home.name, "caller", CALLER_RULES)


@pytest.fixture
def serve(control_plane: ControlPlane, home: Namespace) -> Iterator[Serve]:
    """Serve the cluster of the administrator's kubeconfig, which has a client certificate."""
    with ExitStack() as stack:

        def start(kubeconfig: Path = control_plane.kubeconfig_path, **settings: Any) -> str:
            changed = {"namespace": home.name, "agent": "sre", "timeout_s": LIMIT_S} | settings
            return stack.enter_context(serving(kubeconfig, **changed))

        yield start


@pytest.fixture
def caller(serve: Serve, token: str) -> Caller:
    return Caller(serve(), token)


@pytest.fixture
def relayed(control_plane: ControlPlane, tmp_path: Path) -> Relay:
    """A kubeconfig whose server is a relay to the API server, and the relay, which a test opens and closes."""
    (port,) = free_ports(1)
    config = yaml.safe_load(control_plane.kubeconfig_path.read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path, partial(relay, "127.0.0.1", port, urlsplit(control_plane.url).port or 0)
