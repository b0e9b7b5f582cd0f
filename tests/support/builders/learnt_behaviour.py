"""Behaviour of two models that an executor has learnt, as in the golden files."""

from cognitive_runtime.domain import ModelBehaviour

LEARNT = (
    ModelBehaviour("http://127.0.0.1:8000/v1", "gemma-3-270m", frozenset(), "JSONObject", True, 1795226100.25),
    ModelBehaviour(
        "https://api.openai.com/v1", "gpt-4o-mini", frozenset({"temperature", "max_tokens"}), learnt_at_s=1795226350.5
    ),
)
LEARNT_JSON = {
    "endpoint": "https://api.openai.com/v1",
    "model": "gpt-4o-mini",
    "refused": ["max_tokens", "temperature"],
    "output": "Schema",
    "bounded": False,
    "learnt_at": 1795226350.5,
}
