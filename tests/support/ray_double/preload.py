"""Imports everything that an executor needs. Jobs are forked from the one process that has imported this module."""

import gc
import sys
from importlib import import_module
from pkgutil import walk_packages

import cognitive_runtime
from support.ray_double import forks, ray_module

LAZY_IMPORTS = ("openai.resources.chat", "openai.lib.streaming.chat", "httpcore2", "anyio._backends._asyncio", "h11")
"""Modules that the client of the model imports with its first call."""


UNUSED = (
    "adapters.http",
    "adapters.kube",
    "adapters.serve",
    "bootstrap.cluster",
    "cognitive_serve",
    "ray_agent",
    "bootstrap.serv",
)
"""Beginnings of the names of modules that no executor uses; they need Ray Serve and FastAPI."""
ENTRYPOINT = forks.run_runtime
"""The function that every forked process calls."""


def _import_runtime() -> None:
    prefix = f"{cognitive_runtime.__name__}."
    for module in walk_packages(cognitive_runtime.__path__, prefix):
        if module.name.removeprefix(prefix).startswith(UNUSED):
            continue
        try:
            import_module(module.name)
        except ModuleNotFoundError as error:  # parts of Ray that no executor uses
            if not str(error.name).startswith("ray."):
                raise


sys.modules["ray"] = sys.modules["ray.exceptions"] = ray_module
_import_runtime()
for _name in LAZY_IMPORTS:
    import_module(_name)
gc.collect()
gc.freeze()  # the collector of a forked process would write to every page that it shares with this one
