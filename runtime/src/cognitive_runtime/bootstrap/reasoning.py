"""What the executors think with."""

from cognitive_runtime.adapters.secrets import SecretFiles
from cognitive_runtime.config import RuntimeSettings
from cognitive_runtime.domain import IReasoner


def make_cognitive_core(settings: RuntimeSettings) -> IReasoner:
    """Return the cognitive core on a pool of model connections. Imports DSPy, which takes seconds."""
    from cognitive_runtime.adapters.dspy import CognitiveCore
    from cognitive_runtime.adapters.vllm import ModelPool

    def read_secret(agent_uid: str, name: str) -> str:
        return SecretFiles(settings.secrets_dir, agent_uid).read(name)

    return CognitiveCore(ModelPool(read_secret))
