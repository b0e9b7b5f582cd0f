"""Table of the seeds' code blocks, and their code with the edits that it allows."""

import ast
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from support.builders.seed_blocks import Block, code_blocks

KINDS = ("host", "key", "indentation", "fill", "await", "remote")


@dataclass(frozen=True)
class Expected:
    """Names that a block needs, and its outcome."""

    given: tuple[str, ...] = ()
    stdout: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    """Value of each expression after the block."""


@dataclass(frozen=True)
class Snippet:
    """Row of the table."""

    at: str
    sha256: str
    runs: Literal["python", "shell", "environment", "no"]
    reason: str
    edits: tuple[Mapping[str, str], ...]
    without: tuple[str, ...]
    code_from: str | None
    local: Expected | None
    ray: Expected | None

    def code(self, text: str, hosts: Mapping[str, str], *, keeps_remote: bool = False) -> str:
        """Return the edited text. Each edit must change it."""
        if self.code_from:
            text = text[text.index(self.code_from) :]
        lines = [line for line in text.splitlines(keepends=True) if not any(each in line for each in self.without)]
        text = "".join(lines)
        for edit in self.edits:
            assert edit["kind"] in KINDS, edit
            if keeps_remote and edit["kind"] == "remote":
                continue
            changed = textwrap.dedent(text) if edit["kind"] == "indentation" else _replaced(text, edit, hosts)
            assert changed != text, f"{self.at}: the edit {edit['kind']} changes nothing"
            text = changed
        return text


def read_table(path: Path) -> dict[str, Snippet]:
    """Return the rows by digest."""
    rows = [_snippet(row) for row in yaml.safe_load(path.read_text(encoding="utf-8"))]
    return {row.sha256: row for row in rows}


def read_blocks(folder: Path) -> list[Block]:
    """Return the blocks of all documents of a folder."""
    files = sorted(folder.glob("*.txt"))
    return [block for file in files for block in code_blocks(file.name[:3], file.read_text(encoding="utf-8"))]


def run_python(code: str, names: dict[str, Any]) -> Any:
    """Run code in a namespace. Return its coroutine if it awaits at the top level, or None."""
    compiled = compile(code, "snippet", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return eval(compiled, names)


def evaluate(expression: str, names: dict[str, Any]) -> Any:
    """Return the value of an expression, or a coroutine if it awaits."""
    compiled = compile(f"_value = ({expression})", "expression", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return eval(compiled, names)


def _replaced(text: str, edit: Mapping[str, str], hosts: Mapping[str, str]) -> str:
    to = edit["to"]
    return text.replace(edit["from"], hosts[to[1:-1]] if edit["kind"] == "host" and to else to)


def _snippet(row: dict[str, Any]) -> Snippet:
    return Snippet(
        at=row["at"],
        sha256=row["sha256"],
        runs=row["runs"],
        reason=row.get("reason", ""),
        edits=tuple(row.get("edits", ())),
        without=tuple(row.get("without", ())),
        code_from=row.get("code_from"),
        local=None if row.get("only_ray") or row["runs"] == "no" else _expected(row),
        ray=_expected(row["ray"]) if "ray" in row else None,
    )


def _expected(row: dict[str, Any]) -> Expected:
    return Expected(tuple(row.get("given", ())), tuple(row.get("stdout", ())), row.get("expected", {}))
