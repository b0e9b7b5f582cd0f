"""The part of DSPy that the runtime and its tests use: DSPy itself has no types."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from dspy.utils.callback import BaseCallback
from dspy.utils.exceptions import (
    ContextWindowExceededError as ContextWindowExceededError,
)
from dspy.utils.exceptions import (
    LMConfigurationError as LMConfigurationError,
)
from dspy.utils.exceptions import (
    LMError as LMError,
)
from dspy.utils.exceptions import (
    LMRateLimitError as LMRateLimitError,
)
from dspy.utils.exceptions import (
    LMServerError as LMServerError,
)
from pydantic import BaseModel
from pydantic.fields import FieldInfo

class SignatureMeta(type):
    instructions: str
    fields: dict[str, FieldInfo]
    input_fields: dict[str, FieldInfo]
    output_fields: dict[str, FieldInfo]
    def with_instructions(cls, instructions: str) -> type[Signature]: ...
    def delete(cls, name: str) -> type[Signature]: ...

class Signature(metaclass=SignatureMeta): ...

def ensure_signature(signature: str | type[Signature]) -> type[Signature]: ...
def InputField(**kwargs: Any) -> Any: ...
def OutputField(**kwargs: Any) -> Any: ...

class Type(BaseModel):
    def format(self) -> list[dict[str, Any]] | str: ...

class Tool(Type):
    def __init__(
        self,
        func: Callable[..., Any],
        name: str | None = ...,
        desc: str | None = ...,
        args: dict[str, Any] | None = ...,
        arg_types: dict[str, Any] | None = ...,
    ) -> None: ...

class ToolCalls(Type):
    tool_calls: list[Any]
    @classmethod
    def from_dict_list(cls, tool_calls: list[dict[str, Any]]) -> ToolCalls: ...

class History(BaseModel):
    messages: list[dict[str, Any]]

class Image(Type):
    url: str

class Example(Mapping[str, Any]):
    def __init__(self, **kwargs: Any) -> None: ...
    def with_inputs(self, *names: str) -> Example: ...
    def __getitem__(self, name: str) -> Any: ...
    def __iter__(self) -> Any: ...
    def __len__(self) -> int: ...

class Prediction:
    def __init__(self, **kwargs: Any) -> None: ...
    def toDict(self) -> dict[str, Any]: ...
    def __getattr__(self, name: str) -> Any: ...

class Module:
    def __init__(self) -> None: ...
    def __call__(self, **kwargs: Any) -> Prediction: ...
    async def acall(self, **kwargs: Any) -> Prediction: ...
    def deepcopy(self) -> Any: ...
    def save(self, path: str) -> None: ...
    def set_lm(self, lm: BaseLM) -> None: ...
    def predictors(self) -> list[Predict]: ...

class Predict(Module):
    signature: type[Signature]
    demos: list[Any]
    lm: Any
    def __init__(self, signature: str | type[Signature], **config: Any) -> None: ...

class ChainOfThought(Module):
    predict: Predict
    def __init__(self, signature: str | type[Signature], **config: Any) -> None: ...

class ReAct(Module):
    max_iters: int
    react: Predict
    extract: ChainOfThought | Predict
    def __init__(
        self, signature: str | type[Signature], tools: Sequence[Callable[..., Any] | Tool], max_iters: int = ...
    ) -> None: ...
    async def _async_call_with_potential_trajectory_truncation(
        self, module: Module, trajectory: dict[str, Any], **input_args: Any
    ) -> Any: ...

class BestOfN(Module):
    def __init__(self, module: Module, N: int, reward_fn: Callable[..., float], threshold: float) -> None: ...

class Refine(Module):
    def __init__(self, module: Module, N: int, reward_fn: Callable[..., float], threshold: float) -> None: ...

class BootstrapFewShot:
    def __init__(self, **kwargs: Any) -> None: ...
    def compile(self, student: Module, *, trainset: list[Example], **kwargs: Any) -> Module: ...

class MIPROv2(BootstrapFewShot): ...

class BaseLM:
    model: str
    kwargs: dict[str, Any]
    history: list[Any]
    engine: Any
    supports_function_calling: bool
    supports_reasoning: bool
    supports_response_schema: bool
    supported_params: set[str]
    def __call__(self, prompt: Any = ..., **kwargs: Any) -> Any: ...
    async def acall(self, prompt: Any = ..., **kwargs: Any) -> Any: ...
    def copy(self, **kwargs: Any) -> Any: ...
    def update_history(self, entry: Any) -> None: ...

class LM(BaseLM):
    def __init__(
        self, model: str, *, cache: bool = ..., num_retries: int = ..., engine: Any = ..., async_engine: Any = ...
    ) -> None: ...

class Adapter:
    native_response_types: list[type[Type]]
    def __init__(self, callbacks: list[BaseCallback] | None = ..., use_native_function_calling: bool = ...) -> None: ...
    def _call_preprocess(
        self, lm: BaseLM, lm_kwargs: dict[str, Any], signature: type[Signature], inputs: dict[str, Any]
    ) -> type[Signature]: ...
    def _get_history_field_name(self, signature: type[Signature]) -> str | None: ...
    def format_conversation_history(
        self, signature: type[Signature], history_field_name: str, inputs: dict[str, Any]
    ) -> list[dict[str, Any]]: ...
    def format(
        self, signature: type[Signature], demos: list[dict[str, Any]], inputs: dict[str, Any]
    ) -> list[dict[str, Any]]: ...
    def __call__(
        self,
        lm: BaseLM,
        lm_kwargs: dict[str, Any],
        signature: type[Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]: ...
    async def acall(
        self,
        lm: BaseLM,
        lm_kwargs: dict[str, Any],
        signature: type[Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]: ...
    def parse(self, signature: type[Signature], completion: str) -> dict[str, Any]: ...

class ChatAdapter(Adapter): ...

class Settings:
    lm: BaseLM
    trace: list[Any] | None

settings: Settings

class UsageTracker:
    def get_total_tokens(self) -> dict[str, dict[str, Any]]: ...

def track_usage() -> AbstractContextManager[UsageTracker]: ...
def context(**settings: Any) -> AbstractContextManager[None]: ...
