"""Tokens of model calls and references to objects, which several parts of responses have."""

from typing import Any

from pydantic import Field

from cognitive_operator.api import bounded
from cognitive_operator.api.wire_model import Part, is_absent


class Usage(Part):
    """Tokens of all model calls of an attempt, or of one member."""

    prompt_tokens: bounded.Tokens
    completion_tokens: bounded.Tokens
    total_tokens: bounded.Tokens
    reasoning_tokens: bounded.Tokens = Field(default=0, exclude_if=is_absent)
    """Tokens of the models' thinking, which are part of ``completion_tokens``."""

    def status(self) -> dict[str, Any]:
        """Return the tokens as a status has them, without those of thinking if there are none."""
        found = {
            "promptTokens": self.prompt_tokens,
            "completionTokens": self.completion_tokens,
            "totalTokens": self.total_tokens,
        }
        return found | ({"reasoningTokens": self.reasoning_tokens} if self.reasoning_tokens else {})


class ResultRef(Part):
    """Reference to an object: a result above 16 KiB, as JSON, or a reasoning above 4 KiB, as text."""

    bucket: bounded.Text
    name: bounded.Text
    size_bytes: bounded.Size
    sha256: bounded.Text

    def status(self) -> dict[str, Any]:
        """Return the reference as a status has it."""
        return {"bucket": self.bucket, "name": self.name, "sizeBytes": self.size_bytes, "sha256": self.sha256}
