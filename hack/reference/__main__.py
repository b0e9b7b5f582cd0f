"""``python -m reference`` generates files from the CRDs; with ``--check`` it only reports outdated files.

Generated are docs/reference/api.md, the task template in the CRD of schedules, and the chart's copies of the CRDs and
of the RBAC rules.
"""

import sys
from pathlib import Path

import yaml

from reference.copies import chart_copies, stale_copies
from reference.markdown import Schema, page_of
from reference.template import template_of, with_template

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "api.md"
TASKS = ROOT / "crds" / "cognitivetasks.yaml"
SCHEDULES = ROOT / "crds" / "cognitiveschedules.yaml"


def load_crds(directory: Path) -> list[Schema]:
    """Return the CRDs of a directory's manifests, in the order of their files."""
    return [crd for path in sorted(directory.glob("*.yaml")) for crd in _crds(path.read_text(encoding="utf-8"))]


def schedules_manifest() -> str:
    """Return the manifest of the schedules' CRD with the current task template."""
    (tasks,) = _crds(TASKS.read_text(encoding="utf-8"))
    return with_template(SCHEDULES.read_text(encoding="utf-8"), template_of(tasks))


def main() -> int:
    """Run the command line."""
    is_check = sys.argv[1:] == ["--check"]
    stale = _write_or_compare(SCHEDULES, schedules_manifest(), is_check=is_check)
    stale += _write_or_compare(PAGE, page_of(load_crds(ROOT / "crds")), is_check=is_check)
    for path, content in chart_copies().items():
        stale += _write_or_compare(path, content, is_check=is_check)
    for path in stale_copies():
        stale += _delete_or_report(path, is_check=is_check)
    for path in stale:
        print(f"{path.relative_to(ROOT)} is outdated: run `make generate` and commit the result", file=sys.stderr)
    return 1 if stale else 0


def _write_or_compare(path: Path, content: str, *, is_check: bool) -> list[Path]:
    """Write a file; with ``is_check`` return it if its content differs."""
    if not is_check:
        path.write_text(content, encoding="utf-8")
        return []
    return [] if path.exists() and path.read_text(encoding="utf-8") == content else [path]


def _delete_or_report(path: Path, *, is_check: bool) -> list[Path]:
    """Delete a file whose source no longer exists; with ``is_check`` return it."""
    if is_check:
        return [path]
    path.unlink()
    return []


def _crds(text: str) -> list[Schema]:
    return [manifest for manifest in yaml.safe_load_all(text) if manifest["kind"] == "CustomResourceDefinition"]


if __name__ == "__main__":
    sys.exit(main())
