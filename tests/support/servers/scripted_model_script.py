"""One answer of the scripted model, and a request that it has recorded."""

from dataclasses import dataclass, field
from typing import Any

from support.servers.scripted_model_answers import TEXT


@dataclass
class Script:
    """Answer to some requests. The first script that matches a request and is not used up answers it."""

    model: str | None = None
    """Only requests for this model."""
    contains: str | None = None
    """Only requests whose messages hold this text."""
    times: int | None = None
    """Number of requests that the script still answers; None: all."""
    delay_s: float = 0.0
    hang: bool = False
    """Never answer."""
    is_held: bool = False
    """Answer once ``release`` is called."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    """The whole HTTP body, instead of a completion or an error."""
    error: dict[str, Any] | None = None
    """The ``error`` object of a failed request."""
    content: str | None = None
    """The message's text; absent: whatever the request's schema asks for."""
    wanted: Any = None
    """Answer that the model gives if the request's schema allows it, cut off at ``max_tokens`` as by a server with
    guided decoding; another one that the schema allows otherwise."""
    null_content: bool = False
    text: str = TEXT
    """Value of every text field of a generated answer."""
    finish_reason: str = "stop"
    refusal: str | None = None
    refuse_response_format: bool = False
    """Answer 400 to requests that have a ``response_format``, and do not use up the script by others."""
    no_choices: bool = False
    piece_delay_s: float = 0.0
    """Time before each piece of a streamed answer."""
    break_after: int | None = None
    """Close the connection after so many pieces of a streamed answer."""
    error_after: int | None = None
    """Send ``error`` instead of the rest after so many pieces."""
    ignore_stream: bool = False
    """Send the whole answer at once to requests for a stream, too."""

    @property
    def streams(self) -> bool:
        """True if a request for a stream gets one."""
        whole = self.ignore_stream or self.refuse_response_format
        return not whole and self.status == 200 and self.body is None

    def matches(self, body: dict[str, Any]) -> bool:
        """Tell whether this script is meant for the request."""
        if self.times == 0 or (self.model is not None and body.get("model") != self.model):
            return False
        if self.refuse_response_format and "response_format" not in body:
            return False
        return self.contains is None or any(self.contains in str(m.get("content")) for m in body["messages"])


@dataclass
class Recorded:
    """A chat completion that was asked for."""

    body: dict[str, Any]
    headers: dict[str, str]
    at: float

    @property
    def request_id(self) -> str:
        """The attempt that it belongs to."""
        return self.headers.get("x-request-id", "")
