"""The system with proxies between its parts, one for all tests; after each test the invariants are judged."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from controlplane import ControlPlane
from servers.nats import NatsServer
from servers.ray_head import RayHead
from support.faults.invariants import broken
from support.faults.pair import Pair, pair_of
from support.faults.stream import StreamAdmin
from support.faults.system import HOME, FaultSystem, Servers, is_quick
from support.faults.trial import Debts, Measured, Tell, Trial
from support.servers.scripted_model import ScriptedModel

PASSED = pytest.StashKey[bool]()
FIGURES = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what was measured and how long each test took."""
    if figures := config.stash.get(FIGURES, []):
        terminalreporter.section("measured")
        for line in figures:
            terminalreporter.write_line(line)


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Note a figure."""
    figures = request.config.stash.setdefault(FIGURES, [])
    return lambda name, value: figures.append(f"{request.node.name}: {name}: {value}")


@pytest.fixture(scope="session")
def system(
    control_plane: ControlPlane,
    crds: None,
    nats_server: NatsServer,
    ray_head: RayHead,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[FaultSystem]:
    """The system with two agents that are ready: ``thinker`` (Embedded) and ``jobber`` (Job)."""
    with ExitStack() as stack:
        model = stack.enter_context(ScriptedModel())
        servers = Servers(control_plane, nats_server, ray_head, model)
        made = FaultSystem(servers, stack, tmp_path_factory.mktemp("faults"))
        control_plane.kubectl("create", "namespace", HOME)
        made.add_agent(HOME, made.agent("thinker", execution={"concurrencyPerWorker": 32}, llm={"timeoutSeconds": 120}))
        made.add_agent(HOME, made.agent("jobber", execution={"mode": "Job"}, queue={"maxConcurrentTasks": 2}))
        yield made


@pytest.fixture(scope="session")
def debts(system: FaultSystem) -> Iterator[Debts]:
    """Deleted objects; the fixture fails at the end if anything of them is left."""
    owed = Debts()
    yield owed
    if is_quick():
        return
    time.sleep(max(0.0, owed.wait_s))
    last = Trial(system, owed)
    found = broken(last.evidence(float("inf"), owed.due()))
    assert not found, "\n".join(found)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell the fixtures whether the test itself has passed."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture
def trial(system: FaultSystem, debts: Debts, request: pytest.FixtureRequest) -> Iterator[Trial]:
    """A test's own view of the system; when the test has passed, the invariants must hold."""
    system.repair()
    begun = Trial(system, debts)
    try:
        yield begun
        if request.node.stash.get(PASSED, False) and not begun.is_judged:
            begun.finish()
    finally:
        system.repair()
        begun.clean()


@pytest.fixture
def pair(trial: Trial, system: FaultSystem, tmp_path: Path) -> Iterator[Pair]:
    """Two operators in place of the system's own; the invariants judge their logs, too."""
    trial.watch_logs(tmp_path / "first.log", tmp_path / "second.log")
    with pair_of(system, tmp_path) as found:
        yield found


@pytest.fixture
def tell(subtests: pytest.Subtests) -> Tell:
    """Tell a story as a part of a test, judged by itself."""

    def told(story: Callable[..., None], *parts: object) -> None:
        with subtests.test(story.__name__):
            story(*parts)

    return told


@pytest.fixture
def stream(system: FaultSystem) -> StreamAdmin:
    """The broker as its administrator uses it."""
    return StreamAdmin(system.servers.nats.url, system.loop)


@pytest.fixture
def in_full() -> None:
    """Leave a long test out of the quick selection."""
    if is_quick():
        pytest.skip("FAULTS=quick leaves out what takes minutes")
