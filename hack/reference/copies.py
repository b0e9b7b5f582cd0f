"""The chart's copies of the CRDs and of the operator's RBAC rules."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = ROOT / "charts" / "cognitive-operator" / "files"
CRDS = ROOT / "crds"
RIGHTS = ROOT / "docs" / "operations" / "rbac.yaml"
KEEP = "metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n"


def chart_copies() -> dict[Path, str]:
    """Return the content of each copy. CRDs get the keep annotation: deleting a CRD deletes all its objects."""
    crds = {
        FILES / "crds" / path.name: with_keep(path.read_text(encoding="utf-8")) for path in sorted(CRDS.glob("*.yaml"))
    }
    return {**crds, FILES / RIGHTS.name: RIGHTS.read_text(encoding="utf-8")}


def with_keep(manifests: str) -> str:
    """Return manifests with the annotation that makes ``helm uninstall`` keep their objects."""
    return f"\n{manifests}".replace("\nmetadata:\n", f"\n{KEEP}").removeprefix("\n")


def stale_copies() -> list[Path]:
    """Return copies of CRDs whose source no longer exists."""
    return [path for path in sorted((FILES / "crds").iterdir()) if not (CRDS / path.name).exists()]
