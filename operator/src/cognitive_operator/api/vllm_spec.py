"""The ``spec.llm.vllm`` section of a CognitiveAgent."""

from typing import Any, Final, Literal

from pydantic import Field

from cognitive_operator.api.ray_spec import RayResources
from cognitive_operator.api.resource_model import ResourceModel

IMAGE: Final = "vllm/vllm-openai:v0.32.0"
UpdateStrategy = Literal["RollingUpdate", "Recreate"]


class EnvVar(ResourceModel):
    """Environment variable of the server's container."""

    name: str
    value: str = ""


class TokenSecretRef(ResourceModel):
    """A key of a Secret in the agent's namespace that holds a Hugging Face token."""

    name: str
    key: str = "token"


class ModelCache(ResourceModel):
    """Volume for the model's files. Exactly one of ``size`` and ``claim_name`` is set."""

    size: str | int | None = None
    storage_class_name: str | None = None
    access_mode: str = "ReadWriteOnce"
    claim_name: str | None = None


class ManagedVLLM(ResourceModel):
    """A vLLM server that the operator manages for the agent."""

    image: str = IMAGE
    image_pull_policy: str = "IfNotPresent"
    replicas: int = 1
    gpus: int = 1
    gpu_resource_name: str = "nvidia.com/gpu"
    tensor_parallel_size: int | None = None
    """Absent: equal to ``gpus``."""
    max_model_len: int | None = None
    gpu_memory_utilization: float | None = None
    dtype: str = "auto"
    extra_args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    model_cache: ModelCache | None = None
    token_secret_ref: TokenSecretRef | None = None
    resources: RayResources | None = None
    shm_size: str | int = "2Gi"
    startup_timeout_seconds: int = 1800
    update_strategy: UpdateStrategy | None = None
    """Absent: chosen by the access mode of the cache's volume."""
    run_as_user: int = 1000
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[dict[str, Any], ...] = ()
    affinity: dict[str, Any] | None = None
    service_account_name: str | None = None
    image_pull_secrets: tuple[dict[str, Any], ...] = ()
    runtime_class_name: str | None = None
    priority_class_name: str | None = None
