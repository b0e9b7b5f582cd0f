"""Limits of an answer: its tokens, its bounds, and the format that the server is asked for."""

from dataclasses import dataclass, replace
from typing import Any

import dspy

from cognitive_runtime.adapters.dspy.schemas.guided import guided_schema
from cognitive_runtime.adapters.dspy.schemas.output_form import with_output
from cognitive_runtime.adapters.dspy.schemas.output_schema import OutputSchema
from cognitive_runtime.adapters.dspy.schemas.signature_outputs import (
    BRIEF_CHARS_PER_TOKEN,
    Bounds,
    answer_schema,
    bounds_for,
    free_schema,
)
from cognitive_runtime.domain import ModelBehaviour
from cognitive_runtime.domain.llm_settings import StructuredOutput


@dataclass(frozen=True)
class AnswerLimits:
    """Token limit of an answer, its form and its bounds."""

    tokens: int
    structured_output: StructuredOutput = "Auto"
    is_bounded: bool = False
    """True if texts and lists are bounded so that the answer fits its tokens."""
    is_brief: bool = False
    """True if the model is asked to be brief, because an earlier answer was cut off."""
    fits_any_script: bool = False
    """True if the bounds are so small that an answer fits in every script and with every tokenizer."""

    @property
    def is_newly_bounded(self) -> bool:
        """True if the answer is bounded because a free one was cut off."""
        return self.is_bounded and self.is_brief and not self.fits_any_script

    def after_cut_off(self, is_thinking_to_blame: bool) -> "AnswerLimits":
        """Return the limits of another answer. Only ``Auto`` changes from a free answer to a bounded one."""
        if self.is_bounded:
            return replace(self, fits_any_script=True, is_brief=True)
        return replace(self, is_bounded=self.structured_output == "Auto" and not is_thinking_to_blame, is_brief=True)

    def bounds(self, signature: type[dspy.Signature], output_schema: OutputSchema | None) -> Bounds | None:
        """Return the bounds of the signature's outputs, or None. The task's own output gets half of the tokens."""
        if not self.is_bounded:
            return None
        tokens = self.tokens // 2 if output_schema else self.tokens
        return (
            bounds_for(signature, tokens, BRIEF_CHARS_PER_TOKEN)
            if self.fits_any_script
            else bounds_for(signature, tokens)
        )

    def response_format(
        self, signature: type[dspy.Signature], output_schema: OutputSchema | None
    ) -> dict[str, Any] | None:
        """Return the format that the server is asked for, or None for text."""
        if self.structured_output == "Text":
            return None
        schema = self._schema(signature, output_schema) if self.structured_output != "JSONObject" else None
        if schema is None:
            return {"type": "json_object"}
        return {"type": "json_schema", "schema": schema, "name": "answer", "strict": True}

    def _schema(self, signature: type[dspy.Signature], output_schema: OutputSchema | None) -> dict[str, Any] | None:
        """Return the schema of the answer, or None if the task's own output has no form within it."""
        bounds = self.bounds(signature, output_schema)
        own: dict[str, Any] | None = answer_schema(signature, bounds) if bounds else free_schema(signature)
        if output_schema is None or own is None:
            return own
        if not self.is_bounded:
            return with_output(own, output_schema.schema)
        chars_per_token = BRIEF_CHARS_PER_TOKEN if self.fits_any_script else 1
        guided = guided_schema(output_schema.schema, int(self.tokens // 2 * chars_per_token))
        return None if guided is None else with_output(own, guided)


def first_limits(tokens: int, structured_output: StructuredOutput, behaviour: ModelBehaviour | None) -> AnswerLimits:
    """Return the limits of the first answer. Under ``Auto`` it is bounded if free answers were cut off before."""
    is_cut_off = behaviour is not None and behaviour.bounded
    is_bounded = structured_output == "Bounded" or (structured_output == "Auto" and is_cut_off)
    return AnswerLimits(tokens, structured_output, is_bounded)
