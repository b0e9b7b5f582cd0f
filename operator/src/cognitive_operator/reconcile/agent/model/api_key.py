"""The API key of an agent's model, read from its Secret."""

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.llm import LLM
from cognitive_operator.errors import ObjectInvalidError, ObjectNotFoundError, TransientError
from cognitive_operator.ports.kube import Secrets


async def read_model_key(secrets: Secrets, namespace: str, llm: LLM, place: str = "spec.llm") -> str | Condition | None:
    """Return the API key of a model, None if it has none, or ModelReady if a Secret is unusable.

    ``place`` is the field with the model. The Secret with the URL of the agent's Redis must exist too; only executors
    use its value.
    """
    key = None
    for field, ref in (("redisSecretRef", llm.redis_secret_ref), ("apiKeySecretRef", llm.api_key_secret_ref)):
        try:
            key = await secrets.read_key(namespace, ref.name, ref.key) if ref else None
        except ObjectNotFoundError as error:
            return Condition.false(AgentCondition.MODEL_READY, Reason.SECRET_NOT_FOUND, f"{place}.{field}: {error}")
        except ObjectInvalidError as error:
            message = f"{place}.{field}: {error}; write the key into the Secret as UTF-8 text."
            return Condition.false(AgentCondition.MODEL_READY, Reason.SECRET_INVALID, message)
        except TransientError as error:
            return Condition.unknown(AgentCondition.MODEL_READY, Reason.NOT_CHECKED, f"{place}.{field}: {error}")
    return key
