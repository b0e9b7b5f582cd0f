"""The code blocks of the documents that this project began with run, with the edits of the table and no others."""

import asyncio
import contextlib
import io
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
from fastapi import FastAPI

from cognitive_runtime.adapters.http.app import create_app
from cognitive_runtime.bootstrap.core_service import local_api
from cognitive_runtime.llm_config import LLMConfig, read_llm_config
from cognitive_runtime.ray_agent import RayAgent
from servers.nats import NatsServer
from support.builders.seed_names import INCIDENT, give
from support.builders.seed_snippets import Expected, Snippet, evaluate, read_blocks, read_table, run_python
from support.servers.http_server import HttpServer
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
TABLE = read_table(Path(__file__).with_name("seed_snippets.yaml"))
ENVIRONMENT_FOLDER = "docker"
"""Folder of the origin's file of variables."""
SUBJECTS = "agent.response.>"


def settings_of(variables: str, names: Iterable[str]) -> dict[str, Any]:
    """Return the settings with these names that lines of variables give."""
    pairs = [line.removeprefix("export ").split("=", 1) for line in variables.splitlines() if line and line[0] != "#"]
    config = read_llm_config({"OPENAI_API_KEY": "k"} | {name: text.strip('"') for name, text in pairs})
    return {name: getattr(config, name) for name in names}


def rows(*kinds: str) -> list[Any]:
    found = [row for row in TABLE.values() if row.runs in kinds and row.local is not None]
    return [pytest.param(row, id=row.at) for row in found]


@pytest.fixture
def api(model: ScriptedModel, environment: None) -> Iterator[HttpServer]:
    """The HTTP API with a registered incident."""
    config = LLMConfig(provider="openai", api_key="sk-test", api_base=model.url)

    def app() -> FastAPI:
        parts = local_api(config, None, "cognitive_core")
        assert parts.incidents is not None
        parts.incidents.log_incident(INCIDENT)
        return create_app(parts)

    with HttpServer(app) as server:
        yield server


def test_every_block_is_in_the_table_and_every_row_has_its_block(documents: Path) -> None:
    found = {block.sha256: f"{block.document}:{block.line}" for block in read_blocks(documents)}
    assert len(found) > 40
    assert {at for digest, at in found.items() if digest not in TABLE} == set()
    assert {row.at for digest, row in TABLE.items() if digest not in found} == set()


def test_only_origins_scripts_and_what_is_no_code_do_not_run() -> None:
    reasons = {row.reason for row in TABLE.values() if row.runs == "no"}
    assert reasons == {
        "needs the origin's containers and scripts",
        "a picture, no code",
        "the requirements of the origin's container image, no code",
    }
    assert all(row.local or row.ray for row in TABLE.values() if row.runs != "no")


def test_each_block_that_runs_has_an_expected_outcome() -> None:
    outcomes = [(row.at, each) for row in TABLE.values() for each in (row.local, row.ray) if each is not None]
    assert len(outcomes) > 40
    assert [at for at, each in outcomes if not each.stdout and not each.values] == []


@pytest.mark.parametrize("row", rows("python"))
def test_a_block_of_python_runs(
    row: Snippet, texts: dict[str, str], names: dict[str, Any], request: pytest.FixtureRequest, model: ScriptedModel
) -> None:
    assert row.local is not None
    hosts = {"model": model.url}
    given = tuple(word for word in row.local.given if word != "stream")
    if given != row.local.given:
        hosts["nats"] = request.getfixturevalue("nats_stream")
    code = row.code(texts[row.sha256], hosts)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        asyncio.run(_run(code, names, given))
    _check(row.local, names, printed.getvalue())


@pytest.mark.parametrize("row", rows("shell"))
def test_a_block_of_shell_runs(row: Snippet, texts: dict[str, str], api: HttpServer, tmp_path: Path) -> None:
    assert row.local is not None
    code = row.code(texts[row.sha256], {"api": api.url})
    (tmp_path / ENVIRONMENT_FOLDER).mkdir()
    command = ["bash", "-ec", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for each in row.local.stdout:
        assert each in done.stdout
    for name, settings in row.local.values.items():
        assert settings_of((tmp_path / name).read_text(encoding="utf-8"), settings) == settings


@pytest.mark.parametrize("row", rows("environment"))
def test_variables_have_their_effect(row: Snippet, texts: dict[str, str], environment: None) -> None:
    assert row.local is not None
    assert settings_of(row.code(texts[row.sha256], {}), row.local.values) == row.local.values


@pytest.fixture
def nats_stream() -> Iterator[str]:
    """URL of a broker of its own with the stream of responses: other tests have streams of the same subjects."""
    with NatsServer.start() as server:

        async def add() -> None:
            client = await nats.connect(server.url)
            try:
                await client.jetstream().add_stream(name="SEED_RESPONSES", subjects=[SUBJECTS])
            finally:
                await client.close()

        asyncio.run(add())
        yield server.url


async def _run(code: str, names: dict[str, Any], given: tuple[str, ...]) -> None:
    await give(names, given)
    pending = run_python(code, names)
    if pending is not None:
        await pending
    if isinstance(names.get("agent"), RayAgent):
        await names["agent"].aclose()


def _check(expected: Expected, names: dict[str, Any], stdout: str) -> None:
    for each in expected.stdout:
        assert each in stdout
    for expression, value in expected.values.items():
        evaluate(expression, names)
        assert names["_value"] == value, expression
