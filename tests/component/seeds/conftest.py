"""Names from earlier blocks of the seeds, and the servers that their hosts stand for."""

import logging
import os
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import dspy
import pytest

from cognitive_runtime import llm_config
from cognitive_runtime.adapters.dspy import current_core
from support.builders.seed_snippets import read_blocks
from support.servers.scripted_model import ScriptedModel


@pytest.fixture(scope="session")
def documents() -> Path:
    """Folder of the documents."""
    folder = os.environ.get("SEED_DOCUMENTS")
    if not folder:
        pytest.skip("SEED_DOCUMENTS names no folder with the documents")
    return Path(folder)


@pytest.fixture(scope="session")
def texts(documents: Path) -> dict[str, str]:
    """Text of each block by its digest."""
    return {block.sha256: block.text for block in read_blocks(documents)}


@pytest.fixture(scope="session")
def model() -> Iterator[ScriptedModel]:
    """The model of all blocks."""
    with ScriptedModel() as server:
        yield server


@pytest.fixture
def environment(model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that no code has configured, with OpenAI's key and the model's URL."""
    monkeypatch.setattr(llm_config, "_configured", {})
    monkeypatch.setattr(current_core, "_current", {})
    for name in [name for name in os.environ if name.startswith("LLM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("LLM_API_BASE", model.url)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    root, runtime = logging.getLogger(), logging.getLogger("cognitive_runtime")
    levels, handlers = (root.level, runtime.level), list(root.handlers)
    yield
    root.setLevel(levels[0])
    runtime.setLevel(levels[1])
    root.handlers[:] = handlers


@pytest.fixture
def names(environment: None) -> dict[str, Any]:
    """Names that every block may use: imports of earlier blocks."""
    from seedcore.agents.cognitive_core import (
        CognitiveContext,
        CognitiveCore,
        CognitiveTaskType,
        get_cognitive_core,
        initialize_cognitive_core,
    )

    return {
        "__name__": "snippet",
        "CognitiveContext": CognitiveContext,
        "CognitiveCore": CognitiveCore,
        "CognitiveTaskType": CognitiveTaskType,
        "get_cognitive_core": get_cognitive_core,
        "initialize_cognitive_core": initialize_cognitive_core,
        "Enum": Enum,
        "dspy": dspy,
    }
