"""Model and settings of an evaluation, and versions of the measured core."""

import hashlib
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import cognitive_runtime
from cognitive_runtime.cognitive_core import CognitiveContext, CognitiveTaskType, LLMConfig, initialize_cognitive_core
from cognitive_runtime.llm_config import read_llm_config
from evaluation.cases import DIRECTORY, TOOL_DIRECTORY, Case
from evaluation.running import Ask, CoreSource
from evaluation.tool_loops import tool_source
from servers.model import MODEL, ModelServer

UNLIMITED: Final = {"rate_limit_requests_per_minute": 10**6, "rate_limit_tokens_per_minute": 10**9}
LOCAL_TIMEOUT_S: Final = "600"
"""Time limit of a call of the small model, which runs on the CPU."""
_SECRET: Final = frozenset({"api_key"})


@contextmanager
def chosen_model(environ: Mapping[str, str], *, local: bool) -> Iterator[dict[str, str]]:
    """Yield the environment of the measured core: as given, or with the demo's model, which is started.

    Raises:
        ServerError: The demo's model did not start.
    """
    if not local:
        yield dict(environ)
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cognitive-eval-")))
        server = stack.enter_context(ModelServer.start(folder / "model.log"))
        own = {"LLM_PROVIDER": "openaiCompatible", "LLM_MODEL": MODEL, "LLM_API_BASE": server.endpoint}
        yield {"LLM_TIMEOUT": LOCAL_TIMEOUT_S, **environ, **own}


def read_settings(environ: Mapping[str, str], changes: Mapping[str, Any]) -> LLMConfig:
    """Return the settings of ``LLM_*`` variables, with changes and without cache and rate limit.

    Raises:
        LLMConfigError: A setting is missing or invalid, or this core does not know it.
    """
    config = read_llm_config(environ)
    known = {each.name for each in fields(config)}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise ValueError(f"this core has no setting {', '.join(unknown)}; it has {', '.join(sorted(known - _SECRET))}")
    return replace(config, **{**UNLIMITED, "enable_caching": False, "log_requests": False, **changes})


def chosen_source(config: LLMConfig, programs: Mapping[str, Path], loop: str | None) -> Ask:
    """Return what answers all cases: the measured core, and a loop for the cases with tools.

    Args:
        config: Settings of the core.
        programs: Saved DSPy program for each of some task types.
        loop: Loop of the cases with tools; None: there are none.

    Raises:
        ValueError: A program is invalid, or this core cannot load programs or has no tools.
    """
    core = core_source(config, programs)
    if loop is None:
        return core
    tools = tool_source(config, loop)
    return lambda case: (tools if case.tools else core)(case)


def core_source(config: LLMConfig, programs: Mapping[str, Path]) -> CoreSource:
    """Return the measured core, with a saved DSPy program for some task types.

    Raises:
        ValueError: A program is invalid, or this core cannot load programs.
    """

    def create() -> Any:
        core: Any = initialize_cognitive_core(config)
        for task_type, path in programs.items():
            if not hasattr(core, "load_program"):
                raise ValueError("this core cannot load programs")
            core.load_program(task_type, path)
        return core

    create()
    return CoreSource(create, context_of)


def context_of(case: Case) -> CognitiveContext:
    """Return the context of a case."""
    return CognitiveContext(f"evaluation-{case.id}", CognitiveTaskType(case.task_type), dict(case.input))


def described(config: LLMConfig) -> dict[str, Any]:
    """Return the settings for the report, without the key."""
    found = {each.name: getattr(config, each.name) for each in fields(config) if each.name not in _SECRET}
    return {
        name: value if isinstance(value, str | int | float | dict | None) else str(value)
        for name, value in found.items()
    }


def versions(programs: Mapping[str, Path]) -> dict[str, str]:
    """Return versions, and digests of the runtime's sources, of the cases and of the programs."""
    loaded = {f"program {name}": hashlib.sha256(path.read_bytes()).hexdigest()[:16] for name, path in programs.items()}
    return loaded | {
        "cognitive-runtime": version("cognitive-runtime"),
        "runtime sources": _digest(Path(cognitive_runtime.__file__).parent, "*.py"),
        "cases": _digest(DIRECTORY, "*.yaml"),
        "cases with tools": _digest(TOOL_DIRECTORY, "*.yaml"),
        "dspy": version("dspy"),
        "python": platform.python_version(),
    }


def _digest(folder: Path, names: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob(names)):
        digest.update(os.fsencode(path.relative_to(folder)) + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
