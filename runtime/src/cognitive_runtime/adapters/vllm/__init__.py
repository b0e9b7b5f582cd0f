"""Client of language models with OpenAI's chat completions: vLLM and compatible servers."""

from cognitive_runtime.adapters.vllm.client import ReadKey, VLLMHTTPClient
from cognitive_runtime.adapters.vllm.pool import ModelPool, ReadSecret
from cognitive_runtime.adapters.vllm.provider_api import load_client
from cognitive_runtime.adapters.vllm.retry import RetryPolicy

__all__ = ["ModelPool", "ReadKey", "ReadSecret", "RetryPolicy", "VLLMHTTPClient", "load_client"]
