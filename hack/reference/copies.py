"""What the chart holds of the project's own manifests: the custom resources, and the operator's rights."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = ROOT / "charts" / "cognitive-operator" / "files"
CRDS = ROOT / "crds"
RIGHTS = ROOT / "docs" / "operations" / "rbac.yaml"
KEEP = "metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n"


def chart_copies() -> dict[Path, str]:
    """Return what each copy should hold; helm keeps custom resources, as with them all their objects would go."""
    crds = {FILES / "crds" / path.name: kept(path.read_text(encoding="utf-8")) for path in sorted(CRDS.glob("*.yaml"))}
    return {**crds, FILES / RIGHTS.name: RIGHTS.read_text(encoding="utf-8")}


def kept(manifests: str) -> str:
    """Return manifests with the annotation by which helm keeps their objects."""
    return f"\n{manifests}".replace("\nmetadata:\n", f"\n{KEEP}").removeprefix("\n")


def orphans() -> list[Path]:
    """Return copies of custom resources that are no more."""
    return [path for path in sorted((FILES / "crds").iterdir()) if not (CRDS / path.name).exists()]
