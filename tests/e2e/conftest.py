"""A cluster that exists: named by KUBECONFIG, and only one whose context says that tests may change it."""

import json
import os
import re
import shutil
import socket
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from glob import glob
from itertools import chain
from pathlib import Path

import pytest

from controlplane import Kubectl
from servers.nats import NatsServer
from servers.operator import OperatorProcess, OperatorSettings
from servers.ray_head import RayHead
from support.builders.cognitive_objects import Cluster, agent
from support.builders.managed_agents import need_kuberay, restrict
from support.rights.used import Audit, audit_of
from support.servers.scripted_model import ScriptedModel

RBAC = Path(__file__).parents[2] / "docs" / "operations" / "rbac.yaml"
NAMESPACE = "cognitive-system"
LAST = "test_rights_used.py"
OPERATORS = re.compile(r"system:serviceaccount:(cognitive-system|chart-[0-9a-f]{8}):cognitive-operator")
"""The accounts of this suite's operators: that of ``docs/operations/rbac.yaml``, and those of the chart's releases."""
BEGAN = pytest.StashKey[datetime]()
MISSED = pytest.StashKey[list[str]]()
STORY = "cognitive-story"
"""The only namespace whose objects the operator of these tests takes notice of."""


@dataclass(frozen=True)
class ExistingCluster:
    """Access to the control plane of an existing cluster."""

    kubectl: Kubectl
    kubeconfig_path: Path


def pytest_configure(config: pytest.Config) -> None:
    """Note when the run began."""
    config.stash[BEGAN] = datetime.now(UTC)
    config.stash[MISSED] = []


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Judge what was asked of the API server after all others have asked."""
    items.sort(key=lambda item: item.path.name == LAST)


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Note what is left out."""
    for item in items:
        item.config.stash[MISSED].append(item.name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what did not pass."""
    report = yield
    if not report.passed:
        item.config.stash[MISSED].append(item.name)
    return report


@pytest.fixture(scope="session")
def audit(request: pytest.FixtureRequest) -> Audit:
    """Requests of this run's operators to the API server, from the log files that E2E_AUDIT_LOG names."""
    pattern = os.environ.get("E2E_AUDIT_LOG")
    if not pattern:
        pytest.skip("E2E_AUDIT_LOG names no audit log of the API server (a path, or a pattern of paths)")
    logs = sorted(Path(found) for found in glob(pattern))
    assert logs, f"E2E_AUDIT_LOG={pattern}: there is no such file"
    with ExitStack() as stack:
        lines = chain.from_iterable(stack.enter_context(log.open(encoding="utf-8")) for log in logs)
        return audit_of(lines, OPERATORS, request.config.stash[BEGAN])


@pytest.fixture(scope="session")
def whole_run(request: pytest.FixtureRequest) -> None:
    """Skip what can only be said of a run of all end-to-end tests; under CI every run is one."""
    ran = {item.path for item in request.session.items}
    missed = [path.name for path in Path(__file__).parent.glob("test_*.py") if path not in ran]
    failed = request.config.stash[MISSED]
    missed += failed
    if missed and not os.environ.get("CI"):
        pytest.skip(f"not all end-to-end tests have passed: {', '.join(sorted(missed))}")


@pytest.fixture(scope="session")
def control_plane() -> ExistingCluster:
    """The cluster of KUBECONFIG. Refuses a context that is neither of kind nor named by E2E_CONTEXT."""
    kubeconfig, program = os.environ.get("KUBECONFIG"), shutil.which("kubectl")
    if not kubeconfig or not program:
        pytest.fail("the end-to-end tests need kubectl and KUBECONFIG")
    kubectl = Kubectl(Path(program), Path(kubeconfig))
    context = kubectl("config", "current-context").strip()
    if context != os.environ.get("E2E_CONTEXT") and not context.startswith("kind-"):
        pytest.fail(f"refusing to change the cluster of context {context!r}: set E2E_CONTEXT to it if tests may")
    return ExistingCluster(kubectl, Path(kubeconfig))


@pytest.fixture(scope="session")
def host() -> str:
    """This machine's address, as the cluster's pods reach it: E2E_HOST, else the one that it reaches others from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return os.environ.get("E2E_HOST") or str(probe.getsockname()[0])


@pytest.fixture(scope="session")
def nats_server(host: str) -> Iterator[NatsServer]:
    """A nats-server that the cluster's pods reach."""
    with NatsServer.start(host=host) as server:
        yield server


@pytest.fixture(scope="session")
def operator_process(
    control_plane: ExistingCluster, nats_server: NatsServer, crds: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """The operator with the rights of ``docs/operations/rbac.yaml`` and no others."""
    directory = tmp_path_factory.mktemp("operator")
    control_plane.kubectl("apply", "-f", str(RBAC))
    kubeconfig = restricted_kubeconfig(control_plane, directory / "kubeconfig")
    env = {"COGNITIVE_NAMESPACE": NAMESPACE, "COGNITIVE_WATCH_NAMESPACES": STORY}
    settings = OperatorSettings(kubeconfig, nats_server.url, directory / "operator.log", env)
    try:
        with OperatorProcess.start(settings) as process:
            yield process
    finally:
        control_plane.kubectl.delete("-f", str(RBAC))


def restricted_kubeconfig(cluster: ExistingCluster, path: Path) -> Path:
    """Write a kubeconfig of the operator's service account."""
    account = cluster.kubectl.within(NAMESPACE)
    token = account("create", "token", "cognitive-operator", "--duration=2h").strip()
    view = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    view["users"] = [{"name": view["users"][0]["name"], "user": {"token": token}}]
    path.touch(mode=0o600)
    path.write_text(json.dumps(view))
    return path


@pytest.fixture(scope="session")
def model_server(host: str) -> Iterator[ScriptedModel]:
    """A scripted OpenAI-compatible server that the cluster's pods reach."""
    with ScriptedModel(host=host) as server:
        yield server


@pytest.fixture
def bare(
    control_plane: ExistingCluster, operator_process: OperatorProcess, model_server: ScriptedModel
) -> Iterator[Cluster]:
    """A namespace that the operator watches, with nothing in it."""
    model_server.reset()
    control_plane.kubectl("create", "namespace", STORY)
    try:
        yield Cluster(control_plane.kubectl.within(STORY))
    finally:
        control_plane.kubectl.delete("namespace", STORY)


@pytest.fixture
def restricted(control_plane: ExistingCluster, bare: Cluster) -> Cluster:
    """A namespace that admits restricted pods alone, on a cluster with KubeRay."""
    need_kuberay(control_plane.kubectl)
    restrict(bare.kubectl)
    return bare


@pytest.fixture
def story(bare: Cluster, ray_head: RayHead, model_server: ScriptedModel) -> Cluster:
    """A namespace with a ready agent of each mode."""
    bare.apply(
        agent("embedded", ray_head.address, model_server.url),
        agent("job", ray_head.address, model_server.url, execution={"mode": "Job"}, queue={"maxConcurrentTasks": 2}),
    )
    bare.wait_ready("embedded", 90.0)
    bare.wait_ready("job")
    return bare
