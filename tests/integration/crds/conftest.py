"""kubectl where the custom resources are known."""

import pytest

from controlplane import ControlPlane, Kubectl


@pytest.fixture(scope="module", autouse=True)
def _quiet(without_operator: None) -> None:
    """These tests look at what the API server alone makes of an object."""


@pytest.fixture(scope="module")
def client(control_plane: ControlPlane, crds: None) -> Kubectl:
    """kubectl for objects that are never stored, or whose names are a test's own."""
    return control_plane.kubectl.within("default")
