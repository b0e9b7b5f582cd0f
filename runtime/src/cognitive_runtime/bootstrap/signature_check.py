"""Check of a CognitiveSignature manifest: its validity, its prompt, and its answers by a model."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import yaml

from cognitive_runtime.adapters.dspy.signature_prompt import signature_prompt
from cognitive_runtime.adapters.dspy.signatures.sources import read_signature
from cognitive_runtime.bootstrap.library import CognitiveCore
from cognitive_runtime.domain import CognitiveContext, InvalidRequest, InvalidSignature, TaskSignature
from cognitive_runtime.llm_config import LLMConfig, LLMConfigError, read_llm_config

_AGENT: Final = "signature-check"


class CheckExit(IntEnum):
    """Exit status of the check."""

    DONE = 0
    """The manifest is valid, and every try gave valid outputs."""
    FAILED = 1
    """A try failed."""
    INVALID = 2
    """The manifest, the input or a setting of the model is invalid. Equals the exit status of argparse."""


@dataclass(frozen=True)
class _Try:
    """One call of the model."""

    name: str
    signature: TaskSignature
    input: Mapping[str, Any]
    expected: Mapping[str, Any] | None = None
    """Outputs of the demonstration that the input is of."""


def check_signature(file: str, input_file: str | None, environ: Mapping[str, str], *, calls_model: bool) -> CheckExit:
    """Check a manifest and return the exit status. Errors go to stderr.

    Args:
        file: Path of the manifest.
        input_file: Path of an input to try, as YAML or JSON; None: the inputs of the demonstrations.
        environ: Environment with the model's ``LLM_*`` variables.
        calls_model: False to only validate the manifest and the input, and to show the prompt.
    """
    try:
        signature = read_signature(file)
        tries = list(_tries(signature, input_file))
        config = read_llm_config(environ) if calls_model else None
    except (InvalidSignature, InvalidRequest, LLMConfigError) as error:
        sys.stderr.write(f"cognitive-runtime: {error}\n")
        return CheckExit.INVALID
    _show(signature, tries, config)
    if config is None:
        return CheckExit.DONE
    if not tries:
        _write("\nNothing to try: the signature has no demonstrations; give an input with --input FILE.\n")
        return CheckExit.DONE
    core = CognitiveCore(config=replace(config, enable_caching=False))
    answered = [_answered(core, each) for each in tries]
    return CheckExit.DONE if all(answered) else CheckExit.FAILED


def _write(text: str) -> None:
    sys.stdout.write(text)


def _tries(signature: TaskSignature, input_file: str | None) -> Iterator[_Try]:
    """Yield the given input, or else that of each demonstration. The model is not shown a demonstration that it tries.

    Raises:
        InvalidRequest: The input does not match the signature.
    """
    if input_file is not None:
        given = _read_input(Path(input_file))
        try:
            signature.check_input(given)
        except InvalidRequest as error:
            raise InvalidRequest(f"{input_file}: {error}") from None
        yield _Try(f"input {input_file}", signature, given)
        return
    shown = signature.demonstrations
    for number, each in enumerate(shown):
        others = (*shown[:number], *shown[number + 1 :])
        name = f"demonstration {number + 1} of {len(shown)}"
        yield _Try(name, replace(signature, demonstrations=others), each.input, each.output)


def _read_input(path: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise InvalidRequest(f"{path}: {error.strerror or type(error).__name__}.") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InvalidRequest(f"{path}: is neither YAML nor JSON.") from None
    if not isinstance(found, Mapping):
        raise InvalidRequest(f"{path}: must be an object with the inputs of the signature.")
    return found


def _show(signature: TaskSignature, tries: list[_Try], config: LLMConfig | None) -> None:
    counts = {"inputs": signature.inputs, "outputs": signature.outputs, "demonstrations": signature.demonstrations}
    counted = ", ".join(f"{len(found)} {name}" for name, found in counts.items())
    _write(f"signature {signature.name} is valid: {signature.module}, {counted}\n")
    shown = tries[0] if tries else _Try("", signature, {each.name: "…" for each in signature.inputs})
    settings = config.settings() if config else None
    _write("\nThe model is asked:\n")
    for message in signature_prompt(shown.signature, shown.input, settings):
        _write(f"\n[{message['role']}]\n{message['content']}\n")


def _answered(core: CognitiveCore, trial: _Try) -> bool:
    """Try an input, show the outputs or the error, and return False for an error."""
    core.signatures[trial.signature.name] = trial.signature
    result = core(CognitiveContext(_AGENT, trial.signature.name, trial.input))  # type: ignore[arg-type]
    if not result["success"]:
        _write(f"\n{trial.name}: failed with {result['error_type']}: {result['error']}\n")
        return False
    outputs = {each.name: result[each.name] for each in trial.signature.outputs if each.name in result}
    _write(f"\n{trial.name}: answered by {result['model_used']}{_differences(trial, outputs)}\n")
    _write(json.dumps(outputs, ensure_ascii=False, indent=2) + "\n")
    return True


def _differences(trial: _Try, outputs: Mapping[str, Any]) -> str:
    if trial.expected is None:
        return ""
    names = [name for name, value in trial.expected.items() if value is not None and outputs.get(name) != value]
    return f"; other than the demonstration in {', '.join(names)}" if names else "; equal to the demonstration"
