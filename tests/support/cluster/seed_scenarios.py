"""Blocks of the seeds on a real Ray, each in a driver of its own."""

import asyncio
import contextlib
import io
import os
import subprocess
from pathlib import Path
from typing import Any

from ray import serve

from support.builders.seed_names import give
from support.builders.seed_snippets import Snippet, evaluate, read_blocks, read_table, run_python

CLIENT = "client"


async def run_block(table: str, at: str) -> None:
    """Run one block and check its outcome, then delete the applications that it has deployed."""
    row = next(each for each in read_table(Path(table)).values() if each.at == at)
    assert row.ray is not None
    texts = {block.sha256: block.text for block in read_blocks(Path(os.environ["SEED_DOCUMENTS"]))}
    code = row.code(texts[row.sha256], {}, keeps_remote=True)
    if row.runs == "shell":
        done = await asyncio.to_thread(_shell, code)
        assert all(each in done.stdout for each in row.ray.stdout), done.stdout
        return
    await _run(row, code)
    for name in list(serve.status().applications):
        serve.delete(name)


def _shell(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["bash", "-ec", code], capture_output=True, text=True, timeout=60, check=True)


async def _run(row: Snippet, code: str) -> None:
    assert row.ray is not None
    import seedcore.agents.cognitive_core as core

    names: dict[str, Any] = {"__name__": "snippet"} | {name: getattr(core, name) for name in core.__all__}
    await give(names, row.ray.given)
    if CLIENT in row.ray.given:
        _deploy()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        pending = run_python(code, names)
        if pending is not None:
            await pending
    assert all(each in printed.getvalue() for each in row.ray.stdout), printed.getvalue()
    for expression, value in row.ray.values.items():
        awaited = evaluate(expression, names)
        if awaited is not None:
            await awaited
        assert names["_value"] == value, (expression, names["_value"])


def _deploy() -> None:
    from seedcore.serve.cognitive_serve import deploy_cognitive_core

    deploy_cognitive_core(num_replicas=1, ray_actor_options={"num_cpus": 0.1})
