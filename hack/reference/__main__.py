"""``python -m reference`` writes docs/reference/api.md; with ``--check`` it only tells whether that is up to date."""

import sys
from pathlib import Path

import yaml

from reference.markdown import Schema, page_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "api.md"


def load_crds(directory: Path) -> list[Schema]:
    """Return the CRDs among the manifests of a directory, in the order of their files."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(directory.glob("*.yaml"))]
    manifests = [manifest for text in texts for manifest in yaml.safe_load_all(text)]
    return [manifest for manifest in manifests if manifest["kind"] == "CustomResourceDefinition"]


def main() -> int:
    """Run the command line."""
    page = page_of(load_crds(ROOT / "crds"))
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
        print(f"{PAGE.relative_to(ROOT)} is not what crds/ says: run `make generate` and commit it", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
