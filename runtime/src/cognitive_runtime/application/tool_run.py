"""Use of tools in one attempt: bounded, recorded, and with side effects known to the broker first."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cognitive_runtime.domain import (
    Artifact,
    AuditEntry,
    ExecutionRequest,
    IClock,
    ISideEffects,
    IToolbox,
    NoProgress,
    Operation,
    ReasoningError,
    Tool,
    ToolProblem,
    ToolRefused,
    ToolTimedOut,
)
from cognitive_runtime.domain.text import clip_utf8
from cognitive_runtime.domain.tools import (
    MAX_ANSWER_BYTES,
    MAX_ARTIFACT_BYTES,
    MAX_ARTIFACTS,
    MAX_ERROR_CHARACTERS,
    AuditEvent,
    OperationOutcome,
    ToolSettings,
    arguments_digest,
)

MAX_ARGUMENT_BYTES: Final = 256 * 1024
"""Maximum size of the arguments of a call, as JSON."""
MAX_AUDIT_ENTRIES: Final = 2000
_NO_TOOL: Final = Tool("", "", "", "", {})
CLOSE_S: Final = 0.25
"""Time that an attempt waits for the closing of its toolbox. A slower one goes on in the background."""
_closing: Final[set[asyncio.Task[None]]] = set()
"""Toolboxes that are being closed; the event loop itself keeps no reference to its tasks."""


@dataclass(frozen=True)
class _Call:
    """Call that has begun."""

    name: str
    """Name that the model gave."""
    tool: Tool
    arguments: Mapping[str, Any]
    begun_s: float


class ToolRun:
    """Tools of one attempt, with the records of their calls. Belongs to the attempt's event loop."""

    def __init__(
        self, request: ExecutionRequest, settings: ToolSettings, toolbox: IToolbox, effects: ISideEffects, clock: IClock
    ) -> None:
        """Take the toolbox, which ``close`` closes."""
        self._request = request
        self._toolbox = toolbox
        self._effects = effects
        self._clock = clock
        self._has_effects = False
        self.settings = settings
        self.tools: dict[str, Tool] = {}
        self.operations: list[Operation] = []
        self.artifacts: list[Artifact] = []
        self.audit_trail: list[AuditEntry] = []

    async def open(self) -> None:
        """Connect and list the tools.

        Raises:
            ToolsUnavailable: No server answers, or the workspace cannot be opened.
        """
        try:
            listed = await self._toolbox.list()
        finally:
            for event, message in self._toolbox.problems:
                self._audit(event, message)
        self.tools = {each.name: each for each in listed}
        servers = sorted({each.server for each in listed})
        self._audit("ToolsListed", f"{len(listed)} tools of {', '.join(servers) or 'no server'}.")

    async def close(self) -> None:
        """Disconnect and delete a temporary workspace, also if the caller is cancelled."""
        closing = asyncio.create_task(self._toolbox.close())
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)
        await asyncio.wait({closing}, timeout=CLOSE_S)

    def record_in(self, error: ReasoningError) -> None:
        """Add the operations, artifacts and events up to a failure to its error."""
        error.operations, error.artifacts = tuple(self.operations), tuple(self.artifacts)
        error.audit_trail = tuple(self.audit_trail)

    async def call(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a tool and return the observation for the model: ``answer`` or ``error``, and notes.

        Raises:
            NoProgress: All operations of the attempt are used up.
            LeaseLost: The side effects cannot be recorded, because the operator has ended the attempt.
        """
        if len(self.operations) >= self.settings.max_operations:
            raise NoProgress(
                f"All {self.settings.max_operations} operations of the attempt are used up without an answer "
                "(spec.tools.maxOperations of the agent)."
            )
        call = _Call(name, self.tools.get(name, _NO_TOOL), arguments, self._clock.monotonic())
        try:
            answer = await self._answer(call)
        except ToolProblem as problem:
            self._record(call, problem.outcome, str(problem))  # before the answer: its artifact has the number
            said = {"text_of_the_tool": self._shown(problem.answer)["answer"]} if problem.answer else {}
            return {"error": str(problem)} | said
        except asyncio.CancelledError:
            self._record(call, "Cancelled", "The attempt ended before the tool.")
            raise
        except BaseException as error:
            self._record(call, "Failed", f"{type(error).__name__} before the tool ended.")
            raise
        self._record(call, "Succeeded", None)
        return self._shown(answer)

    async def _answer(self, call: _Call) -> str:
        tool = call.tool
        if tool is _NO_TOOL:
            raise ToolRefused("The attempt has no tool of this name.")
        size = len(json.dumps(call.arguments, default=str))
        if size > MAX_ARGUMENT_BYTES:
            raise ToolRefused(f"The arguments have {size} bytes as JSON; at most {MAX_ARGUMENT_BYTES} are sent.")
        limit = asyncio.timeout(tool.timeout_s)

        async def permit() -> None:
            if tool.has_side_effects:
                await self._record_effects()

        try:
            async with limit:
                return await self._toolbox.call(tool, call.arguments, permit)
        except TimeoutError:
            if not limit.expired():
                raise
            raise ToolTimedOut(f"The tool did not answer within {tool.timeout_s:g} s.") from None

    async def _record_effects(self) -> None:
        if not self._has_effects:
            await self._effects.record_side_effects(self._request.attempt_id)
            self._has_effects = True
            self._audit("SideEffectsRecorded", "The claim of the attempt has side effects.")

    def _shown(self, answer: str) -> dict[str, Any]:
        """Return the answer, or its beginning with a note. The whole of a longer one becomes an artifact."""
        content = answer.encode("utf-8", "replace")
        if len(content) <= MAX_ANSWER_BYTES:
            return {"answer": answer}
        note = f"cut off: the answer has {len(content)} bytes, of which these are the first {MAX_ANSWER_BYTES}"
        if len(self.artifacts) < MAX_ARTIFACTS and len(content) <= MAX_ARTIFACT_BYTES:
            name = f"{self._request.attempt_id}.artifact-{len(self.artifacts) + 1}"
            self.artifacts.append(Artifact.of(name, content))
        return {"answer": clip_utf8(answer, MAX_ANSWER_BYTES), "note": note}

    def _record(self, call: _Call, outcome: OperationOutcome, error: str | None) -> None:
        tool, number = call.tool, len(self.operations) + 1
        seconds = round(self._clock.monotonic() - call.begun_s, 3)
        shown, server = tool.own_name or "unknown", tool.server or "none"
        digest, said = arguments_digest(call.arguments), error[:MAX_ERROR_CHARACTERS] if error else None
        self.operations.append(Operation(number, server, shown, digest, outcome, seconds, said))
        self._audit("OperationEnded", f"Operation {number}, {shown} of {server}: {outcome}.")

    def _audit(self, event: AuditEvent, message: str) -> None:
        if len(self.audit_trail) < MAX_AUDIT_ENTRIES:
            self.audit_trail.append(AuditEntry(self._clock.now(), event, message))
