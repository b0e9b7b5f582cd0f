"""Client of language models with OpenAI's chat completions: vLLM and compatible servers."""

from cognitive_runtime.adapters.model.client import ReadKey, VLLMHTTPClient
from cognitive_runtime.adapters.model.pool import ModelPool, ReadSecret
from cognitive_runtime.adapters.model.provider_api import load_client
from cognitive_runtime.adapters.model.retry import RetryPolicy

__all__ = ["ModelPool", "ReadKey", "ReadSecret", "RetryPolicy", "VLLMHTTPClient", "load_client"]
