"""The cognitive core that a process uses by default."""

from typing import Final

from cognitive_runtime.adapters.dspy.core import CognitiveCore
from cognitive_runtime.domain import AgentSettings, ILimits, IModelSource

_current: Final[dict[str, CognitiveCore]] = {}


def initialize_cognitive_core(
    models: IModelSource, agent: AgentSettings, limits: ILimits | None = None
) -> CognitiveCore:
    """Create a core with an agent's settings. ``get_cognitive_core`` returns it from now on."""
    return set_cognitive_core(CognitiveCore(models, agent, limits))


def set_cognitive_core(core: CognitiveCore) -> CognitiveCore:
    """Have ``get_cognitive_core`` return a core from now on, and return it."""
    _current["core"] = core
    return core


def get_cognitive_core() -> CognitiveCore | None:
    """Return the core that was initialised last in this process, or None."""
    return _current.get("core")
