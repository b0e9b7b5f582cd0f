"""What a user can choose of the demo, by variables of ``make`` or of the environment."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass

VLLM_VERSION = "v0.32.0"
MODEL = "Qwen/Qwen2.5-0.5B-Instruct"
"""A small model that anybody may download: about 1 GB."""
_ARM = ("arm64", "aarch64")


@dataclass(frozen=True)
class Settings:
    """Where the demo runs, and what its agent thinks with."""

    context: str | None
    """``CONTEXT``: of a cluster that exists; None: the demo makes one with kind."""
    cluster: str
    """``KIND_CLUSTER``: name of the cluster that it makes."""
    node_image: str | None
    """``KIND_NODE_IMAGE``: image of the cluster's node; None: kind's own."""
    namespace: str
    """``DEMO_NAMESPACE``: of the agent and its tasks."""
    system_namespace: str
    """``SYSTEM_NAMESPACE``: of the operator and the broker."""
    vllm_image: str
    """``VLLM_IMAGE``: a vLLM that computes on CPUs."""
    vllm_model: str
    """``VLLM_MODEL``: a model of Hugging Face, or a directory of the image."""

    @property
    def kube_context(self) -> str:
        """The context of the cluster, as kubectl calls it."""
        return self.context or f"kind-{self.cluster}"


def settings_from(environ: Mapping[str, str]) -> Settings:
    """Read the settings; a variable that is empty is one that is absent."""

    def chosen(name: str, default: str) -> str:
        return environ.get(name) or default

    return Settings(
        context=environ.get("CONTEXT") or None,
        cluster=chosen("KIND_CLUSTER", "cognitive"),
        node_image=environ.get("KIND_NODE_IMAGE") or None,
        namespace=chosen("DEMO_NAMESPACE", "cognitive-demo"),
        system_namespace=chosen("SYSTEM_NAMESPACE", "cognitive-system"),
        vllm_image=chosen("VLLM_IMAGE", f"vllm/vllm-openai-cpu:{VLLM_VERSION}-{_machine()}"),
        vllm_model=chosen("VLLM_MODEL", MODEL),
    )


def _machine() -> str:
    return "arm64" if platform.machine().lower() in _ARM else "x86_64"
