"""The pictures of docs/architecture.md equal the import contracts and the folders; files and functions are short."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text(encoding="utf-8")
SOURCES = {"cognitive_operator": ROOT / "operator" / "src", "cognitive_runtime": ROOT / "runtime" / "src"}
OPERATOR = SOURCES["cognitive_operator"] / "cognitive_operator"
SHORT = ("operator/src", "runtime/src", "compat/src", "hack", "tests")
"""Folders whose files have at most FILE_LINES lines."""
FILE_LINES = 300
FUNCTION_LINES = 40
"""Lines of a function without its docstring, which has to describe each argument and error."""
FILES_OF_RECONCILE = 8

Layers = list[frozenset[str]]


def names(line: str) -> frozenset[str]:
    return frozenset(name.strip() for name in line.split("|"))


def pictures() -> dict[str, Layers]:
    """Return the layers of each picture: a heading with the package, then a block with one layer a line."""
    blocks = re.findall(r"^### `([\w.]+)`\n\n```text\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    layer = re.compile(r"\w+(?: \| \w+)*")
    return {
        package: [names(found[0]) for line in lines.splitlines() if (found := layer.match(line))]
        for package, lines in blocks
    }


def contracts() -> dict[str, Layers]:
    """Return the layers of each contract in pyproject.toml by the package that they divide."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layered = [each for each in settings["contracts"] if each["type"] == "layers"]
    return {package: [names(line) for line in each["layers"]] for each in layered for package in each["containers"]}


def modules(package: str) -> frozenset[str]:
    folder = SOURCES[package.partition(".")[0]].joinpath(*package.split("."))
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return frozenset(files | {path.parent.name for path in folder.glob("*/__init__.py")})


def paths() -> list[str]:
    """Return everything on the page that looks like a file or a folder, in code or as the target of a link."""
    code = re.findall(r"`([\w./-]+/|[\w./-]+\.(?:py|md|toml|json|ya?ml))`", TEXT)
    links = re.findall(r"\]\(([\w./-]+)\)", TEXT)
    return sorted({*code, *(f"docs/{link}" for link in links)})


def test_each_contract_has_its_picture_and_each_picture_its_contract() -> None:
    assert pictures().keys() == contracts().keys()
    assert {"cognitive_operator", "cognitive_runtime"} <= contracts().keys()


@pytest.mark.parametrize("package", contracts())
def test_a_picture_shows_the_layers_of_its_contract_in_their_order(package: str) -> None:
    assert pictures()[package] == contracts()[package]


@pytest.mark.parametrize("package", contracts())
def test_the_layers_are_all_modules_and_packages_on_disk(package: str) -> None:
    drawn = [name for layer in pictures()[package] for name in layer]
    assert sorted(drawn) == sorted(modules(package))


@pytest.mark.parametrize("part", ["operator", "runtime"])
def test_the_layers_in_contributing_are_those_of_the_contract(part: str) -> None:
    (line,) = re.findall(rf"^- {part}: `(.*)`$", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [names(layer) for layer in line.split(">")] == contracts()[f"cognitive_{part}"]


def test_every_path_on_the_page_exists() -> None:
    assert len(paths()) > 10
    assert [path for path in paths() if not (ROOT / path).exists() and not (OPERATOR / path).exists()] == []


def files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of lines of a function from ``def`` to its end, without its docstring."""
    first, end = function.body[0], function.end_lineno or 0
    lines = end - function.lineno + 1
    has_docstring = ast.get_docstring(function, clean=False) is not None
    return lines - ((first.end_lineno or 0) - first.lineno + 1) if has_docstring else lines


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("folder", SHORT)
def test_files_are_short(folder: str) -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files(folder)}
    assert {name: number for name, number in lines.items() if number > FILE_LINES} == {}


@pytest.mark.parametrize("folder", [folder for folder in SHORT if folder != "tests"])
def test_functions_are_short(folder: str) -> None:
    lengths = {
        (str(path.relative_to(ROOT)), each.name): length(each) for path in files(folder) for each in functions(path)
    }
    assert {name: number for name, number in lengths.items() if number > FUNCTION_LINES} == {}


def test_reconcile_has_few_files_beside_its_folders() -> None:
    assert (
        len([path for path in (OPERATOR / "reconcile").glob("*.py") if path.stem != "__init__"]) <= FILES_OF_RECONCILE
    )
