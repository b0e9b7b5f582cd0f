"""Use case: several members answer one task in one attempt, and a stated method selects one answer."""

import asyncio
import logging
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from cognitive_runtime.application.members import IMemberReasoner, IMemberStore, NoMemberStore
from cognitive_runtime.application.shared_budget import SharedBudget
from cognitive_runtime.domain import (
    Answer,
    BudgetExceeded,
    Choice,
    DeadlineExceeded,
    Deliberation,
    DeliberationResult,
    ExecutionRequest,
    IClock,
    InternalError,
    JudgeResult,
    MemberResult,
    ModelBehaviour,
    ModelCalls,
    OutputParseError,
    Reasoning,
    ReasoningError,
    TaskSignature,
    Usage,
    agreement,
    judge_request,
    majority,
    member_request,
    quorum_missed,
)
from cognitive_runtime.domain.deliberation import BEST

RESERVE_PART: Final = 0.05
"""Part of the attempt's time that is kept for the selection."""
MIN_RESERVE_S: Final = 0.1
MAX_RESERVE_S: Final = 5.0
JUDGE_PART: Final = 0.25
"""Part of the attempt's time that is kept for the judge, whose selection is a model call."""
MEMBER_GRACE_S: Final = 0.3
"""Time for a cancelled member to report its usage. Shorter than the grace of the attempt itself."""
_LOGGER: Final = logging.getLogger(__name__)


class Deliberate:
    """Implements ``IReasoner``: carries out deliberations, and passes on every other request.

    All members are awaited, also beyond the quorum, until the attempt's time limit less a reserve for the selection.
    """

    def __init__(self, members: IMemberReasoner, clock: IClock, store: IMemberStore | None = None) -> None:
        self._members = members
        self._clock = clock
        self._store = store or NoMemberStore()

    async def reason(self, request: ExecutionRequest) -> Reasoning:
        """Reason about one request.

        Raises:
            ReasoningError: Too few members answered, or none can be selected. It has the usage of all members.
        """
        if request.deliberation is None:
            return await self._members.reason(request)
        return await _Session(self._members, self._clock, self._store, request, request.deliberation).run()

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        """Return the learnt behaviour of all models."""
        return self._members.learnt()


class _Session:
    """One deliberation."""

    def __init__(
        self,
        members: IMemberReasoner,
        clock: IClock,
        store: IMemberStore,
        request: ExecutionRequest,
        settings: Deliberation,
    ) -> None:
        self._reasoner = members
        self._clock = clock
        self._store = store
        self._request = request
        self._settings = settings
        self._budget = SharedBudget(request.token_budget)
        self._reserve_s = min(MAX_RESERVE_S, max(MIN_RESERVE_S, RESERVE_PART * request.timeout_seconds))
        self._ends_s = clock.monotonic() + request.timeout_seconds
        has_judge = settings.selection.judge is not None
        kept_s = max(self._reserve_s, JUDGE_PART * request.timeout_seconds) if has_judge else self._reserve_s
        self._members_s = max(MIN_RESERVE_S, request.timeout_seconds - kept_s)
        self._is_late = False
        self._asked: dict[int, ExecutionRequest] = {}
        self._answers: dict[int, Reasoning] = {}
        self._errors: dict[int, ReasoningError] = {}
        self._durations_ms: dict[int, int] = {}
        self._judged: JudgeResult | None = None

    async def run(self) -> Reasoning:
        """Return the selected answer, with the usage of all members."""
        try:
            await self._ask_members()
            choice = await self._select()
        except asyncio.CancelledError:
            raise self._failed(InternalError("The reasoning was cancelled.")) from None
        except ReasoningError as error:
            raise self._failed(error) from None
        except Exception as error:
            raise self._failed(_crash(self._request, error)) from None
        self._store.clear(self._request)
        return self._selected(choice)

    async def _ask_members(self) -> None:
        """Ask all members at the same time.

        Raises:
            ReasoningError: The quorum is not reached.
        """
        numbers = range(1, self._settings.members + 1)
        asking = {number: asyncio.create_task(self._ask(number)) for number in numbers}
        try:
            await asyncio.wait(asking.values(), timeout=self._members_s)
            self._is_late = True
        finally:
            await _end(asking.values())
        for number in numbers:
            if number not in self._answers:
                self._errors.setdefault(number, self._late())
        if len(self._answers) < self._settings.quorum:
            raise quorum_missed(self._errors, self._settings.members, self._settings.quorum)

    async def _ask(self, number: int) -> None:
        """Ask one member, and keep its answer or its error."""
        began_s = self._clock.monotonic()
        asked = self._asked[number] = member_request(self._request, number, self._members_s)
        try:
            self._answers[number] = await self._answer(asked)
        except ReasoningError as error:
            self._errors[number] = self._late(error) if self._is_late else error
        except Exception as error:
            self._errors[number] = _crash(self._request, error)
        finally:
            self._durations_ms[number] = self._elapsed_ms(began_s)

    async def _answer(self, asked: ExecutionRequest) -> Reasoning:
        known = self._store.load(asked)
        if known is not None:
            self._budget.add(known.usage.total_tokens)
            return known
        found = await self._reasoner.reason(asked, self._budget)
        if not found.cache_hit:
            self._store.save(asked, found)
        return found

    async def _select(self) -> Choice:
        selection = self._settings.selection
        answers = [Answer(number, self._answers[number].outputs) for number in sorted(self._answers)]
        if selection.judge is not None:
            return await self._judge(selection.judge, answers)
        choice = majority(answers, selection.field) if selection.field is not None else agreement(answers)
        if choice is None:
            raise OutputParseError(
                f"No member's answer has {selection.field}, which deliberation.selection.field names."
            )
        return choice

    async def _judge(self, judge: TaskSignature, answers: Sequence[Answer]) -> Choice:
        """Return the answer that the judge names. A single answer needs no judge.

        Raises:
            ReasoningError: The judge failed, or names no candidate.
        """
        if len(answers) == 1:
            return Choice(answers[0].number)
        began_s, name = self._clock.monotonic(), _judge_name(judge)
        left_s = max(MIN_RESERVE_S, self._ends_s - began_s - self._reserve_s)
        asked = judge_request(self._request, judge, [each.outputs for each in answers], left_s)
        spent: Reasoning | ReasoningError | None = None
        try:
            spent = found = await self._reasoner.reason(asked, self._budget)
        except ReasoningError as error:
            spent = error
            raise type(error)(f"{name} failed: {error}", retry_after_s=error.retry_after_s) from None
        finally:
            usage, characters = (spent.usage, _characters(spent)) if spent else (Usage(), 0)
            calls, duration_ms = spent.calls if spent else ModelCalls(), self._elapsed_ms(began_s)
            self._judged = JudgeResult(judge.name, judge.generation, usage, duration_ms, characters, calls)
        best = found.outputs.get(BEST)
        if not isinstance(best, int) or not 1 <= best <= len(answers):
            shown = best if isinstance(best, int) else "no number"
            raise OutputParseError(f"{name} answered with {BEST} {shown}; expected 1 to {len(answers)}.")
        return Choice(answers[best - 1].number)

    def _selected(self, choice: Choice) -> Reasoning:
        found, result = self._answers[choice.number], self._result(choice)
        is_cached = self._judged is None and all(each.cache_hit for each in self._answers.values())
        is_free = is_cached and not result.usage.total_tokens
        return replace(found, usage=result.usage, calls=result.calls, cache_hit=is_free, deliberation=result)

    def _failed(self, error: ReasoningError) -> ReasoningError:
        """Return the error with the usage of all members, and keep their answers for the next attempt.

        The response of this attempt reports their usage, so that the next one must not.
        """
        for number, found in self._answers.items():
            unpaid = replace(found, usage=Usage(), calls=ModelCalls(), repaired=False, cache_hit=True)
            self._store.save(self._asked[number], unpaid)
        result = self._result(None)
        error.usage, error.calls, error.deliberation = result.usage, result.calls, result
        ended: list[Reasoning | ReasoningError] = [*self._answers.values(), *self._errors.values()]
        error.answered_by = next((each.answered_by for each in ended if each.answered_by), None)
        return error

    def _result(self, choice: Choice | None) -> DeliberationResult:
        numbers = range(1, self._settings.members + 1)
        return DeliberationResult(
            method=self._settings.selection.method,
            selected=choice.number if choice else None,
            members=tuple(self._member(number) for number in numbers),
            votes=choice.votes if choice else None,
            judge=self._judged,
        )

    def _member(self, number: int) -> MemberResult:
        duration_ms = self._durations_ms.get(number, 0)
        found = self._answers.get(number)
        if found is not None:
            own: dict[str, Any] = {"confidence": found.confidence, "result": found.outputs, "calls": found.calls}
            return MemberResult(number, "Succeeded", found.usage, duration_ms, characters=_characters(found), **own)
        error = self._errors.get(number) or InternalError("The reasoning was cancelled.")
        is_skipped = isinstance(error, BudgetExceeded) and not error.usage.total_tokens
        outcome: Any = "Skipped" if is_skipped else "Failed"
        own = {"characters": _characters(error), "calls": error.calls}
        return MemberResult(number, outcome, error.usage, duration_ms, error.error_type, **own)

    def _late(self, ended: ReasoningError | None = None) -> ReasoningError:
        """Return the error of a member that did not answer in time, with its usage as far as it is known."""
        late = DeadlineExceeded(f"It did not answer within {self._members_s:.3g} s.")
        if ended is not None:
            late.usage, late.calls, late.answered_by = ended.usage, ended.calls, ended.answered_by
            late.thought, late.native_reasoning = ended.thought, ended.native_reasoning
        return late

    def _elapsed_ms(self, since_s: float) -> int:
        return round(1000 * (self._clock.monotonic() - since_s))


def _characters(found: Reasoning | ReasoningError) -> int:
    """Return the length of the reasoning, which determines the energy; 0 for a result of the cache."""
    if isinstance(found, Reasoning) and found.cache_hit:
        return 0
    return len(found.thought or found.native_reasoning)


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel the running tasks and wait for them up to MEMBER_GRACE_S."""
    running = {task for task in tasks if not task.done()}
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running, timeout=MEMBER_GRACE_S)


def _crash(request: ExecutionRequest, error: Exception) -> InternalError:
    """Log a crash and return it as an error. Only its class is shown: its message can contain prompts or secrets."""
    where = "".join(traceback.format_tb(error.__traceback__))
    _LOGGER.error("deliberation of attempt %s crashed: %s\n%s", request.attempt_id, type(error).__name__, where)
    return InternalError(f"{type(error).__name__} while reasoning.")


def _judge_name(judge: TaskSignature) -> str:
    """Return the signature that judges, with the field of the task that names it, for messages."""
    field = "spec.deliberation.selection.judgeRef"
    return f"The judge ({field}: CognitiveSignature {judge.name}, generation {judge.generation})"
