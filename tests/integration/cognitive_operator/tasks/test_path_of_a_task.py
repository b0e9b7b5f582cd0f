"""The source files that one task passes through are exactly those of the steps in docs/architecture.md."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import ControlPlane, Kubectl
from servers.nats import NatsServer
from servers.operator import OperatorProcess, OperatorSettings
from support.builders.cognitive_objects import Cluster, agent, task
from support.cluster.task_path import OUT_VARIABLE
from support.eventually import eventually
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("crds")]
ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "architecture.md"
STEPS_MAX = 15
FILES_MAX = 23
"""A measured number that may only fall; the page gives the reason against each further merge."""
NOT_COUNTED = ("adapters/", "api/", "ports/", "errors.py")
TASKS = 3
"""A response that arrives while its task is reconciled for another reason is recorded with the next task."""
PARTS = {"request": "From the watch event to the request", "status": "From the response to the status"}


def steps(heading: str) -> list[str]:
    """Return the numbered steps below a heading of the page."""
    _, _, text = PAGE.read_text(encoding="utf-8").partition(f"\n### {heading}\n")
    return re.findall(r"^\d+\. .*$", text.partition("\n#")[0], re.MULTILINE)


def files_of(lines: list[str]) -> set[str]:
    """Return the operator's files that steps name."""
    return {name for line in lines for name in re.findall(r"`([\w/]+\.py)`", line)}


def files_told() -> int:
    """Return the number of files that the page tells."""
    sentence = r"^A task without optional fields runs code in these (\d+) files, "
    found = re.search(sentence, PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return int(found[1])


@pytest.fixture(scope="module")
def path_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("path") / "path.json"


@pytest.fixture(scope="module")
def recording_operator(
    control_plane: ControlPlane, nats_server: NatsServer, without_operator: None, path_file: Path
) -> Iterator[None]:
    path = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    settings = OperatorSettings(
        control_plane.kubeconfig_path,
        nats_server.url,
        path_file.with_suffix(".log"),
        {"PYTHONPATH": path, OUT_VARIABLE: str(path_file)},
        "support.cluster.task_path",
    )
    with OperatorProcess.start(settings):
        yield


@pytest.fixture
def recorded(
    kubectl: Kubectl, recording_operator: None, ray_server: RayServer, model: ScriptedModel, path_file: Path
) -> dict[str, set[str]]:
    """The files that a task passes through, by part, without those that are not counted."""
    cluster = Cluster(kubectl)
    cluster.apply(agent("thinker", ray_server.address, model.url))
    cluster.wait_ready("thinker")
    for number in range(TASKS):
        model.script(delay_s=1.5, times=1)
        cluster.apply(task(f"task-{number}", "thinker"))
        cluster.wait_phase(f"task-{number}", "Succeeded")
        if path_file.exists():
            break
    content = json.loads(eventually(path_file.read_text))
    return {part: {name for name in files if not name.startswith(NOT_COUNTED)} for part, files in content.items()}


def test_a_task_passes_through_the_files_of_the_steps_and_no_others(recorded: dict[str, set[str]]) -> None:
    assert recorded == {part: files_of(steps(heading)) for part, heading in PARTS.items()}
    assert len(set.union(*recorded.values())) == files_told() <= FILES_MAX


def test_the_steps_are_few_and_numbered_through() -> None:
    numbers = [int(line.partition(".")[0]) for heading in PARTS.values() for line in steps(heading)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert 4 < len(numbers) <= STEPS_MAX
