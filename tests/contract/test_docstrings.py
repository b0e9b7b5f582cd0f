"""Docstrings name their subject: a noun that a reader searches for, not a question, a pronoun or a riddle."""

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
ROOTS = ("compat/src", "operator/src", "runtime/src", "hack", "tests")
OPENING = re.compile(
    r"(What|Whatever|Whether|Which|Why|How|For how long|Who|Whose|When|Since when|Where|One that|It|Its)\b"
)
PHRASE = re.compile(r"\b(nobody|whoever|those who|what is there|what there is|lets go|let go of)\b", re.IGNORECASE)
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def problems(source: str) -> Iterator[str]:
    """Yield line, name and problem of each refused docstring."""
    for line, name, text in docstrings(source):
        if opening := OPENING.match(text):
            yield f"{line}: {name}: opens with {opening.group()!r}"
        if phrase := PHRASE.search(text):
            yield f"{line}: {name}: contains {phrase.group()!r}"


def docstrings(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and text of each docstring of a module, class, function, attribute or constant."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Documented):
            if text := ast.get_docstring(node):
                yield node.body[0].lineno, "module" if isinstance(node, ast.Module) else node.name, text
            yield from attribute_docstrings(node.body)


def attribute_docstrings(body: list[ast.stmt]) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and text of each string that follows an assignment."""
    for assignment, statement in pairwise(body):
        match assignment, statement:
            case ast.Assign(targets=[target, *_]) | ast.AnnAssign(target=target), ast.Expr(ast.Constant(str(text))):
                yield statement.lineno, ast.unparse(target), inspect.cleandoc(text)


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
        ('"""Whose claims these are."""', ["1: module: opens with 'Whose'"]),
        ('def f():\n    """When it runs."""', ["2: f: opens with 'When'"]),
        ('def f():\n    """Where it runs."""', ["2: f: opens with 'Where'"]),
        ('X = 1\n"""What it is."""', ["2: X: opens with 'What'"]),
        ('class A:\n    x: int\n    """\n    When it ran.\n    """', ["3: x: opens with 'When'"]),
        ('class A:\n    def f(self):\n        self.x = 1\n        """Its pods."""', ["4: self.x: opens with 'Its'"]),
        ('X = Y = 1\n"""Text that nobody reads."""', ["2: X: contains 'nobody'"]),
        ('X = 1\n"""Items of a list."""\nY = "What"', []),
        ('f()\n"""What follows no assignment."""', []),
        ('def f():\n    return "Why not"', []),
    ],
)
def test_riddles_are_found_in_every_docstring(source: str, expected: list[str]) -> None:
    assert list(problems(source)) == expected
