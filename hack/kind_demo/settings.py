"""Settings of the demo: variables of ``make`` or of the environment."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass

VLLM_VERSION = "v0.32.0"
MODEL = "Qwen/Qwen2.5-0.5B-Instruct"
"""A small public model, about 1 GB."""
_ARM = ("arm64", "aarch64")


@dataclass(frozen=True)
class Settings:
    """Cluster, namespaces and model of the demo."""

    context: str | None
    """``CONTEXT``: kubectl context of an existing cluster; None: the demo creates a cluster with kind."""
    cluster: str
    """``KIND_CLUSTER``: name of the kind cluster."""
    node_image: str | None
    """``KIND_NODE_IMAGE``: image of the kind cluster's node; None: kind's default."""
    namespace: str
    """``DEMO_NAMESPACE``: namespace of the agent and its tasks."""
    system_namespace: str
    """``SYSTEM_NAMESPACE``: namespace of the operator and the broker."""
    vllm_image: str
    """``VLLM_IMAGE``: image of a vLLM for CPUs."""
    vllm_model: str
    """``VLLM_MODEL``: name of a Hugging Face model, or a directory of the image."""

    @property
    def kube_context(self) -> str:
        """Name of the cluster's kubectl context."""
        return self.context or f"kind-{self.cluster}"


def settings_from(environ: Mapping[str, str]) -> Settings:
    """Return the settings from the environment; an empty variable counts as absent."""

    def value(name: str, default: str) -> str:
        return environ.get(name) or default

    return Settings(
        context=environ.get("CONTEXT") or None,
        cluster=value("KIND_CLUSTER", "cognitive"),
        node_image=environ.get("KIND_NODE_IMAGE") or None,
        namespace=value("DEMO_NAMESPACE", "cognitive-demo"),
        system_namespace=value("SYSTEM_NAMESPACE", "cognitive-system"),
        vllm_image=value("VLLM_IMAGE", f"vllm/vllm-openai-cpu:{VLLM_VERSION}-{_machine()}"),
        vllm_model=value("VLLM_MODEL", MODEL),
    )


def _machine() -> str:
    return "arm64" if platform.machine().lower() in _ARM else "x86_64"
