"""Docstrings name their subject: a noun that a reader searches for, not a question or a riddle."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
ROOTS = ("compat/src", "operator/src", "runtime/src", "hack", "tests")
OPENING = re.compile(r"(What|Whether|Which|Why|How|Who|One that)\b")
PHRASE = re.compile(r"\b(nobody|whoever|those who|what is there|what there is|lets go|let go of)\b", re.IGNORECASE)
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def problems(source: str) -> Iterator[str]:
    """Yield line, name and problem of each refused docstring of a module, class or function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            name = "module" if isinstance(node, ast.Module) else node.name
            place = f"{node.body[0].lineno}: {name}"
            if opening := OPENING.match(text):
                yield f"{place}: opens with {opening.group()!r}"
            if phrase := PHRASE.search(text):
                yield f"{place}: contains {phrase.group()!r}"


@pytest.mark.parametrize("root", ROOTS)
def test_docstrings_state_their_subject(root: str) -> None:
    files = sorted((REPOSITORY / root).rglob("*.py"))
    found = [f"{path.relative_to(REPOSITORY)}:{each}" for path in files for each in problems(path.read_text())]
    assert files, f"{root} has no Python file"
    assert not found, "\n".join(["reword these docstrings:", *found])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"""What a worker needs."""', ["1: module: opens with 'What'"]),
        ('class A:\n    """Whether it runs."""', ["2: A: opens with 'Whether'"]),
        ('class A:\n    def _f(self):\n        """How it runs."""', ["3: _f: opens with 'How'"]),
        ('async def f():\n    """\n    Who runs it.\n    """', ["2: f: opens with 'Who'"]),
        ('def f():\n    """Run it.\n\n    Nobody else may."""', ["2: f: contains 'Nobody'"]),
        ('def f():\n    """Return what is there."""', ["2: f: contains 'what is there'"]),
        ('class A:\n    """One that runs."""', ["2: A: opens with 'One that'"]),
        ('def f():\n    """Return one that runs."""', []),
        ('def f():\n    """Lets go of an agent."""', ["2: f: contains 'Lets go'"]),
        ('def f():\n    """Wait until it has let go of it."""', ["2: f: contains 'let go of'"]),
        ('"""Whose claims these are."""\nX = "What"', []),
        ('def f():\n    return "Why not"', []),
    ],
)
def test_riddles_are_found_in_every_docstring(source: str, expected: list[str]) -> None:
    assert list(problems(source)) == expected
