"""Real servers, one of each per run, and what every test needs. Nothing happens at import."""

import asyncio
import inspect
import os
import re
import uuid
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest
import pytest_asyncio

from controlplane import ControlPlane, Kubectl
from controlplane.binaries import find_installed
from controlplane.platforms import PROGRAMS
from servers.errors import ServerMissingError
from servers.nats import NatsServer
from servers.operator import OperatorProcess, OperatorSettings
from servers.ray_head import RayHead
from support.cluster.api_client import ApiClient, Request
from support.eventually import PATIENCE
from support.ray_double.server import RayDouble, RayServer
from support.ray_selection import add_option, runs_on_real_ray, select

T = TypeVar("T")
ROOT = Path(__file__).parents[1]
NAMESPACES = "/api/v1/namespaces"
SHOWN_LINES = 40
OPERATOR = pytest.StashKey[OperatorProcess]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``--ray``."""
    add_option(parser)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Select the tests that run on the Ray of this run, and limit each as its waits are limited."""
    select(config, items)
    for item in items if PATIENCE != 1 else ():  # a limit that came before the end of a wait would not say why
        marker = item.get_closest_marker("timeout")
        limit_s = float(marker.args[0] if marker else config.getini("timeout"))
        item.add_marker(pytest.mark.timeout(limit_s * PATIENCE), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the shared operator's log with a failure."""
    report = yield
    operator = item.config.stash.get(OPERATOR, None)
    if report.failed and operator is not None and operator.log_path.exists():
        lines = operator.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        state = "running" if operator.is_running else "stopped for this module"
        report.sections.append((f"end of the shared operator's log ({state})", "\n".join(lines[-SHOWN_LINES:])))
    return report


def pytest_configure() -> None:
    """Switch off Hypothesis' time limits, because the duration of an example depends on the load of the machine."""
    patient = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
    hypothesis.settings.register_profile("patient", patient)
    hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A kube-apiserver with RBAC and an audit log, etcd and the controller manager."""
    with _start(_control_plane) as plane:
        yield plane


@pytest.fixture(scope="session")
def api(control_plane: ControlPlane) -> Iterator[ApiClient]:
    """The Kubernetes API as the cluster's administrator, over one connection."""
    client = ApiClient.of_plane(control_plane)
    yield client
    client.close()


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """A nats-server with JetStream; a test that stops it starts its own."""
    with _start(NatsServer.start) as server:
        yield server


@pytest.fixture(scope="session")
def ray_head() -> Iterator[RayHead]:
    """A local Ray head whose jobs run in this environment."""
    with _start(RayHead.start) as head:
        yield head


@pytest.fixture(scope="session")
def ray_double() -> Iterator[RayDouble]:
    """A double of Ray's Jobs API whose jobs are real executors."""
    with _start(RayDouble.start) as double:
        yield double


@pytest.fixture(scope="session")
def ray_server(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> RayServer:
    """Server of Ray's Jobs API that runs executors: the double, or with ``--ray=real`` a real head."""
    found: RayServer = request.getfixturevalue("ray_head" if runs_on_real_ray(pytestconfig) else "ray_double")
    return found


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> None:
    """The project's custom resources, established on the control plane."""
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")


@pytest.fixture(scope="session")
def operator_process(
    control_plane: ControlPlane,
    nats_server: NatsServer,
    crds: None,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Iterator[OperatorProcess]:
    """The operator as a process of its own, watching every namespace."""
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with OperatorProcess.start(OperatorSettings(control_plane.kubeconfig_path, nats_server.url, log)) as process:
        pytestconfig.stash[OPERATOR] = process
        yield process
        del pytestconfig.stash[OPERATOR]


@pytest.fixture(scope="module")
def without_operator(pytestconfig: pytest.Config) -> Iterator[None]:
    """No operator writes to the objects of this module: one that an earlier module started is away meanwhile."""
    operator = pytestconfig.stash.get(OPERATOR, None)
    if operator is not None:
        operator.stop()
    yield
    if operator is not None:
        operator.resume()


@pytest.fixture
def namespace(api: ApiClient, request: pytest.FixtureRequest) -> Iterator[str]:
    """A new namespace, named after the test."""
    slug = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40].rstrip("-")
    name = f"{slug}-{uuid.uuid4().hex[:8]}"
    api(Request("POST", NAMESPACES, {"metadata": {"name": name}}))
    yield name
    api(Request("DELETE", f"{NAMESPACES}/{name}"))


@pytest.fixture
def kubectl(control_plane: ControlPlane, namespace: str) -> Kubectl:
    """kubectl as the cluster's administrator, in the test's own namespace."""
    return control_plane.kubectl.within(namespace)


@pytest.fixture(autouse=True)
def no_leftover_tasks(request: pytest.FixtureRequest) -> None:
    """Fail an asynchronous test that leaves asyncio tasks running after its fixtures are closed."""
    if inspect.iscoroutinefunction(getattr(request.node, "function", None)):
        request.getfixturevalue("_leftover_tasks")


@pytest_asyncio.fixture
async def _leftover_tasks() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    for _ in range(10):  # a cancelled task needs turns of the loop to end
        left = asyncio.all_tasks() - before - {asyncio.current_task()}
        if not left:
            return
        await asyncio.sleep(0)
    pytest.fail("asyncio tasks are still running: " + ", ".join(sorted(str(task.get_coro()) for task in left)))


def _control_plane() -> ControlPlane:
    missing = set(PROGRAMS) - set(find_installed())
    if missing:
        raise ServerMissingError(f"{', '.join(sorted(missing))} not installed: run `make control-plane`")
    return ControlPlane.start()


def _start(start: Callable[[], T]) -> T:
    try:
        return start()
    except ServerMissingError as error:
        if os.environ.get("CI"):
            pytest.fail(f"a server is missing: {error}")
        pytest.skip(f"a server is missing: {error}")
