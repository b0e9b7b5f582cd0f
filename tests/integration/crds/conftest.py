"""The API server where the custom resources are known."""

import pytest

from support.cluster.api_client import ApiClient, Namespace


@pytest.fixture(scope="module", autouse=True)
def _quiet(without_operator: None) -> None:
    """These tests look at what the API server alone makes of an object."""


@pytest.fixture(scope="module")
def default(api: ApiClient, crds: None) -> Namespace:
    """The namespace for objects that are never stored."""
    return Namespace(api, "default")


@pytest.fixture
def home(api: ApiClient, namespace: str, crds: None) -> Namespace:
    """The test's own namespace."""
    return Namespace(api, namespace)
