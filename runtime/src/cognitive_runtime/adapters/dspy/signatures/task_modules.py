"""DSPy modules of all task types: built-in ones with their programs, and those of custom signatures."""

from pathlib import Path

import dspy

from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES, TypeSignature
from cognitive_runtime.adapters.dspy.signatures.demonstrations import agent_demonstrations
from cognitive_runtime.adapters.dspy.signatures.modules import SignatureModules, TaskModule
from cognitive_runtime.adapters.dspy.signatures.program import InvalidProgram, Program, read_program
from cognitive_runtime.adapters.dspy.signatures.version import signature_version
from cognitive_runtime.domain import CognitiveTaskType, ExecutionRequest


class TaskModules:
    """Modules by task type. Threads may share it."""

    def __init__(self) -> None:
        self._programs: dict[CognitiveTaskType, Program] = {}
        self._predictors = {task_type: dspy.Predict(found.signature) for task_type, found in SIGNATURES.items()}
        self._custom = SignatureModules()

    def load_program(self, task_type: CognitiveTaskType | str, path: str | Path) -> None:
        """Use a saved program for a built-in task type.

        Raises:
            InvalidProgram: The file holds no program for the task type, or the type is not built in.
        """
        kind = CognitiveTaskType(task_type)
        if kind not in SIGNATURES:
            raise InvalidProgram(f"{path}: a program is for one of {', '.join(SIGNATURES)}, not for {kind.value}.")
        program = read_program(path, kind)
        self._predictors[kind] = program.predictor(SIGNATURES[kind].signature)
        self._programs[kind] = program

    def of(self, request: ExecutionRequest) -> TaskModule:
        """Return the module of a request, with the demonstrations that its agent and its program have.

        Raises:
            InvalidRequest: A demonstration of the agent does not match its task type.
        """
        if request.signature is not None:
            return self._custom.of(request.signature)
        kind = request.task_type
        predictor, version = self._predictors[kind], signature_version(kind, self._programs.get(kind))
        demos = (*predictor.demos, *agent_demonstrations(request))
        return TaskModule(SIGNATURES[kind], predictor, version, demos)

    def signature_of(self, request: ExecutionRequest) -> TypeSignature | None:
        """Return the signature of a request, or None for a type without one."""
        if request.signature is not None:
            return self._custom.of(request.signature).task
        return SIGNATURES.get(request.task_type)
