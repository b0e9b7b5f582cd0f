"""The part of an agent's status about its own model server."""

from typing import Any

from cognitive_operator.api.resources import Agent
from cognitive_operator.ports.model import InferenceResult


def model_status(
    agent: Agent, server: str | None, counts: tuple[int, int], trial: InferenceResult | None, proven_at: str
) -> dict[str, Any]:
    """Return the merge patch of ``status.model``.

    Args:
        agent: The owner.
        server: Name of the Deployment; None: there is none.
        counts: Numbers of ready and wanted pods.
        trial: The inference that proved the server.
        proven_at: Time of that inference.
    """
    if server is None:
        return {"model": None}
    llm, ready, wanted = agent.spec.llm, *counts
    proof = trial if trial is not None and trial.ok else None
    ref = llm.api_key_secret_ref
    return {
        "model": {
            "name": llm.model,
            "endpoint": llm.url,
            "deployment": server,
            "apiKeySecret": ref.name if ref else None,
            "readyReplicas": ready,
            "replicas": wanted,
            "timeToFirstTokenMilliseconds": round(proof.first_token_s * 1000) if proof else None,
            "tokensPerSecond": round(proof.tokens_per_second, 1) if proof else None,
            "provenAt": proven_at if proof else None,
        }
    }
