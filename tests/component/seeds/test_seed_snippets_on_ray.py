"""The blocks that need Ray run on a real one, with `.remote` as it is written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.ray_head import RayHead, RaySettings
from support.builders.seed_snippets import Snippet, read_table
from support.cluster.ray_driver import drive
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.component, pytest.mark.ray_extended, pytest.mark.timeout(300)]
TABLE = Path(__file__).with_name("seed_snippets.yaml")
REPLICA_BYTES = 4 * 1024**3
"""Memory of a replica in the documents, where one deployment has four."""


def rows() -> list[Any]:
    return [pytest.param(row, id=row.at) for row in read_table(TABLE).values() if row.ray is not None]


@pytest.fixture(scope="module")
def variables(model: ScriptedModel) -> dict[str, str]:
    return {"OPENAI_API_KEY": "sk-test", "LLM_API_BASE": model.url}


@pytest.fixture(scope="module")
def head(variables: dict[str, str]) -> Iterator[RayHead]:
    """A head with room for four replicas."""
    with RayHead.start(RaySettings(cpus=16, memory_bytes=5 * REPLICA_BYTES, variables=variables)) as server:
        yield server


@pytest.mark.parametrize("row", rows())
def test_a_block_runs_on_ray(row: Snippet, documents: Path, head: RayHead, variables: dict[str, str]) -> None:
    named = variables | {"SEED_DOCUMENTS": str(documents)}
    drive(head, "support.cluster.seed_scenarios", "run_block", str(TABLE), row.at, **named)
