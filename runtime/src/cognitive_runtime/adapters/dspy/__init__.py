"""Cognitive core: typed reasoning with DSPy. The only package that imports DSPy."""

from cognitive_runtime.adapters.dspy.attempt import ModuleRun
from cognitive_runtime.adapters.dspy.calls.adapter import JSONAnswerAdapter
from cognitive_runtime.adapters.dspy.core import CognitiveCore, Programs
from cognitive_runtime.adapters.dspy.current_core import (
    get_cognitive_core,
    initialize_cognitive_core,
    set_cognitive_core,
)
from cognitive_runtime.adapters.dspy.preload import load_dspy
from cognitive_runtime.adapters.dspy.signatures.program import InvalidProgram
from cognitive_runtime.adapters.dspy.tool_tasks import ToolTasks
from cognitive_runtime.adapters.dspy.vllm_agent import VLLMAgent

__all__ = [
    "CognitiveCore",
    "InvalidProgram",
    "JSONAnswerAdapter",
    "ModuleRun",
    "Programs",
    "ToolTasks",
    "VLLMAgent",
    "get_cognitive_core",
    "initialize_cognitive_core",
    "load_dspy",
    "set_cognitive_core",
]
