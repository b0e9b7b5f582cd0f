"""Base of model clients in tests about which nothing is learnt."""

from cognitive_runtime.domain import ModelBehaviour


class PlainModel:
    """Implements the part of ``IVLLMClient`` that concerns learnt behaviour."""

    @property
    def behaviour(self) -> ModelBehaviour:
        """Behaviour without any finding."""
        return ModelBehaviour("http://127.0.0.1:1", "scripted")

    def learn_bounded(self) -> None:
        """Fail: no test asks for it."""
        raise AssertionError("nothing is learnt about this model")
