"""Parts of the rendered chart, and a parent chart that depends on it."""

import shutil
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[3] / "charts" / "cognitive-operator"
NAME = "cognitive-operator"
Objects = dict[tuple[str, str], dict[str, Any]]


def pod_templates(objects: Objects) -> dict[str, dict[str, Any]]:
    """Return the metadata and spec of each pod that the chart creates, by kind and name."""
    return {
        f"{kind} {name}": item if kind == "Pod" else item["spec"]["template"]
        for (kind, name), item in objects.items()
        if kind in ("Deployment", "StatefulSet", "Job", "Pod")
    }


def pod_specs(objects: Objects) -> dict[str, dict[str, Any]]:
    """Return the spec of each pod that the chart creates, by kind and name."""
    return {name: template["spec"] for name, template in pod_templates(objects).items()}


def containers(objects: Objects) -> dict[str, dict[str, Any]]:
    """Return each container, init containers included, by the pod's kind and name and its own name."""
    return {
        f"{name} {container['name']}": container
        for name, spec in pod_specs(objects).items()
        for container in spec.get("initContainers", []) + spec["containers"]
    }


def parent_chart(folder: Path, values: dict[str, Any], **dependency: Any) -> Path:
    """Write a chart with the operator's chart as its dependency, and return its path."""
    shutil.copytree(CHART, folder / "charts" / NAME)
    wanted = {"name": NAME, "version": "0.x.x", **dependency}
    described = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [wanted]}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")
    (folder / "values.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return folder
