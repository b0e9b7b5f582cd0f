"""Installs and uninstalls the chart's release."""

from pathlib import Path

from controlplane import Kubectl
from helm import Helm, HelmError
from images.__main__ import image_name
from kind_demo.commands import KindDemoError
from kind_demo.settings import Settings

CHART = Path(__file__).parents[2] / "charts" / "cognitive-operator"
NAME = "cognitive-operator"


def install(helm: Helm, kubectl: Kubectl, settings: Settings) -> None:
    """Install or upgrade the release and wait until it is ready.

    Raises:
        KindDemoError: The release is not ready in time; the message lists its pods.
    """
    namespace = f"--namespace={settings.system_namespace}"
    values = [f"--set={value}" for value in chart_values(settings)]
    flags = ["--create-namespace", "--take-ownership", "--wait", "--timeout=6m"]
    try:
        helm("upgrade", "--install", NAME, str(CHART), namespace, *flags, *values)
    except HelmError as error:
        pods = kubectl.within(settings.system_namespace)("get", "pods", "-o", "wide")
        raise KindDemoError(f"the chart's release is not ready: {error}\n\n{pods}") from error


def uninstall(helm: Helm, settings: Settings) -> None:
    """Uninstall the release if it exists."""
    helm("uninstall", NAME, f"--namespace={settings.system_namespace}", "--ignore-not-found", "--wait")


def chart_values(settings: Settings) -> list[str]:
    """Return the chart's values for ``--set``. With ``CONTEXT`` the operator watches only the demo's namespace."""
    operator, _, operator_tag = image_name("operator").rpartition(":")
    runtime, _, runtime_tag = image_name("runtime").rpartition(":")
    values = [
        f"image.repository={operator}",
        f"image.tag={operator_tag}",
        f"runtime.image.repository={runtime}",
        f"runtime.image.tag={runtime_tag}",
        "nats.storage.size=1Gi",
    ]
    if settings.context is None:
        return values
    return [*values, f"watchNamespaces={{{settings.namespace}}}", "rbac.aggregate=false"]
