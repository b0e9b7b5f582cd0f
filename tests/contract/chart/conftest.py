"""The chart, rendered by helm as a cluster would get it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helm import Helm, find_helm

CHART = Path(__file__).parents[3] / "charts" / "cognitive-operator"
Objects = dict[tuple[str, str], dict[str, Any]]
Render = Callable[..., Objects]


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Helm, where it is installed: `make helm` brings it."""
    program = find_helm()
    if program is None:
        reason = "helm is not there: `make helm` builds it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return Helm(program)


@pytest.fixture(scope="session")
def render(helm: Helm) -> Render:
    """Return the chart's objects by kind and name, for these arguments of helm."""

    def rendered(*arguments: str) -> Objects:
        found = helm.render(CHART, *arguments)
        objects = {(item["kind"], item["metadata"]["name"]): item for item in found}
        namespaced = [item for item in found if (item["kind"], item["metadata"]["name"]) in objects]
        assert len(namespaced) == len(found)
        return objects

    return rendered
