"""The part of DSPy that the runtime uses: DSPy itself has no types."""

from contextlib import AbstractContextManager
from typing import Any

from pydantic.fields import FieldInfo

class SignatureMeta(type):
    instructions: str
    input_fields: dict[str, FieldInfo]
    output_fields: dict[str, FieldInfo]

class Signature(metaclass=SignatureMeta): ...

def InputField(**kwargs: Any) -> Any: ...
def OutputField(**kwargs: Any) -> Any: ...

class Prediction:
    def toDict(self) -> dict[str, Any]: ...

class Predict:
    signature: type[Signature]
    def __init__(self, signature: type[Signature]) -> None: ...
    async def acall(self, **kwargs: Any) -> Prediction: ...

class BaseLM:
    model: str
    kwargs: dict[str, Any]
    def __init__(
        self,
        model: str,
        model_type: str = ...,
        temperature: float | None = ...,
        max_tokens: int | None = ...,
        cache: bool = ...,
        num_retries: int = ...,
    ) -> None: ...

class Adapter:
    def __init__(self) -> None: ...
    def format(
        self, signature: type[Signature], demos: list[dict[str, Any]], inputs: dict[str, Any]
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

def context(**settings: Any) -> AbstractContextManager[None]: ...
