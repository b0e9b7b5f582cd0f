"""Counting from the stream: whatever crashes and comes again, the sums are the same."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognitive_operator.api.counters import Counters
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.task_body import TaskAttempts, task_attempts
from cognitive_operator.plan.agent.usage.counters import (
    Contribution,
    UsageRecord,
    contribution_of,
    counted,
    is_recorded,
    is_undecided,
    on_stream,
    skipped,
)
from cognitive_operator.plan.agent.usage.variant_counters import counted_variant
from support.builders import operator_objects as o

MAX_ATTEMPTS = 3
VARIANTS = ("a", "b", "c")


def entry(sequence: int, outcome: str = "completed", number: int = 1, task: str = "t", **fields: Any) -> UsageRecord:
    make = o.completed if outcome == "completed" else o.failed
    return UsageRecord(sequence, "team", AttemptKey(o.AGENT_UID, task, number), outcome, make(number, **fields))


def variant_of(uid: str) -> str:
    return VARIANTS[int(uid[1:]) % len(VARIANTS)]


@dataclass
class World:
    """Tasks, the stream and what is counted; ``brought`` and ``ended`` are kept beside them as the truth."""

    chance: random.Random
    stream: list[UsageRecord] = field(default_factory=list)
    tasks: dict[str, TaskAttempts] = field(default_factory=dict)
    late: list[AttemptKey] = field(default_factory=list)
    brought: dict[AttemptKey, int] = field(default_factory=dict)
    ended: dict[str, bool] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)
    names: Iterator[int] = field(default_factory=count)

    def append(self, key: AttemptKey, outcome: str, tokens: int = 0) -> int:
        usage = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
        more = {"energy": {"delta": tokens}, "variant": variant_of(key.task_uid), "calls": {"repairs": tokens}}
        known = entry(len(self.stream) + 1, outcome, key.number, key.task_uid, usage=usage, **more)
        self.stream.append(known)
        return known.sequence

    def words(self, key: AttemptKey) -> list[UsageRecord]:
        return [e for e in self.stream if e.key == key]

    def create(self) -> None:
        self.tasks[f"t{next(self.names)}"] = TaskAttempts("Queued", {})

    def open_attempt(self) -> AttemptKey | None:
        uids = [uid for uid, seen in self.tasks.items() if not seen.is_finished]
        if not uids:
            return None
        uid = self.chance.choice(uids)
        return AttemptKey(o.AGENT_UID, uid, self.tasks[uid].last + 1)

    def answer(self) -> None:
        """An executor responds to an attempt that is open, or was given up before."""
        key = self.late.pop() if self.late and self.chance.random() < 0.5 else self.open_attempt()
        if key is not None and key not in self.brought:
            self.brought[key] = self.chance.randrange(1, 1000)
            self.append(key, self.chance.choice(["completed", "failed"]), self.brought[key])

    def repeat(self) -> None:
        """A response comes once more, beyond the broker's window of duplicates."""
        answers = [e for e in self.stream if e.outcome != "closed"]
        if answers:
            again = self.chance.choice(answers)
            self.append(again.key, again.outcome, again.response.usage.total_tokens)

    def note(self) -> None:
        """The operator notes that it gives an attempt up, and dies before it writes that."""
        key = self.open_attempt()
        if key is not None and not any(e.outcome == "closed" for e in self.words(key)):
            self.append(key, "closed")

    def accept(self) -> None:
        """The operator writes an attempt's end into the task's status."""
        key = self.open_attempt()
        if key is None or not self.words(key):
            return
        words = self.words(key)
        answers, notes = ([e for e in words if (e.outcome == "closed") is is_closed] for is_closed in (False, True))
        word = self.chance.choice(answers[:1] + notes)  # of repeated answers the first
        if key not in self.brought:
            self.late.append(key)
        is_final = word.outcome == "completed" or key.number == MAX_ATTEMPTS or self.chance.random() < 0.3
        phase = "Succeeded" if word.outcome == "completed" else "Failed" if is_final else "Queued"
        self.tasks[key.task_uid] = TaskAttempts(phase, {**self.tasks[key.task_uid].closed, key.number: word.sequence})
        if is_final:
            self.ended[key.task_uid] = phase == "Succeeded"

    def delete(self) -> None:
        """A user deletes a finished task, whether it is counted or not."""
        uids = [uid for uid, seen in self.tasks.items() if seen.is_finished and self.is_plain(uid, seen.last)]
        if uids:
            del self.tasks[self.chance.choice(uids)]

    def is_plain(self, uid: str, number: int) -> bool:
        return len({e.outcome for e in self.words(AttemptKey(o.AGENT_UID, uid, number))}) == 1

    def look(self) -> Counters:
        """Count on from what was written last."""
        counters = on_stream(self.counters, "s")
        for e in self.stream[counters.accounting.sequence :]:
            task = self.tasks.get(e.key.task_uid)
            if is_undecided(e, task):
                break
            variant = counted_variant(counters, e.response.variant, task.variant if task else None, VARIANTS)
            varied = replace(e, variant=variant, present=frozenset(VARIANTS))
            siblings = [s for s in self.stream if s.key.task_uid == e.key.task_uid]
            counters = counted(counters, varied, contribution_of(e, task, () if is_recorded(e, task) else siblings))
        return counters

    def write(self) -> None:
        """Count and write; a crash before the write, or a conflict with another operator, leaves all as it was."""
        found = self.look()
        if self.chance.random() < 0.5:
            self.counters = found


STEPS = ["create", "answer", "answer", "accept", "accept", "note", "repeat", "delete", "write", "write"]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(STEPS), min_size=40, max_size=120), st.randoms(use_true_random=False))
def test_every_task_and_every_attempt_counts_once(steps: list[str], chance: random.Random) -> None:
    world = World(chance)
    for step in ["create", "create", *steps]:
        getattr(world, step)()
    while (key := world.open_attempt()) is not None:
        if not world.words(key):
            world.append(key, "closed")
        world.accept()
    found = world.look()
    assert found.tasks_processed == len(world.ended)
    assert found.tasks_succeeded == sum(world.ended.values())
    assert found.tokens.total == found.tokens.prompt == found.energy.cognitive_cost == sum(world.brought.values())
    assert found.accounting.sequence == len(world.stream)
    for variant in found.variants:
        ended = [is_success for uid, is_success in world.ended.items() if variant_of(uid) == variant.name]
        brought = [tokens for key, tokens in world.brought.items() if variant_of(key.task_uid) == variant.name]
        assert (variant.tasks_processed, variant.tasks_succeeded) == (len(ended), sum(ended))
        assert variant.tokens.total == variant.repairs == sum(brought)
        assert variant.duration_seconds.count == len(ended)
    assert sum(variant.tasks_processed for variant in found.variants) == len(world.ended)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=60), st.sets(st.integers(0, 60)))
def test_where_counting_was_interrupted_leaves_no_trace(results: list[tuple[bool, float]], crashes: set[int]) -> None:
    entries = [
        replace(
            entry(n, "completed" if ok else "failed", **dict[str, Any]({"confidence": confidence} if ok else {})),
            variant=VARIANTS[n % 3],
        )
        for n, (ok, confidence) in enumerate(results, start=1)
    ]
    whole = written = on_stream(Counters(), "s")
    for e in entries:
        whole = counted(whole, e, Contribution(True, True, e.outcome == "completed"))
    for stop in sorted(crashes | {len(entries)}):
        for e in entries[: stop + 1]:  # all of it comes again
            written = counted(written, e, Contribution(True, True, e.outcome == "completed"))
        written = Counters.model_validate_json(written.model_dump_json(by_alias=True))
    assert written == whole
    assert 0 <= whole.capability_score <= 1


def test_the_capability_score_is_that_of_the_original() -> None:
    counters = counted(Counters(), entry(1, confidence=0.8), Contribution(True, True, True))
    assert counters.capability_score == pytest.approx(0.9 * 0.5 + 0.1 * (0.6 * 1 + 0.4 * 0.8))
    after = counted(counters, entry(2, "failed"), Contribution(True, True))
    assert after.capability_score == pytest.approx(0.9 * counters.capability_score + 0.1 * (0.6 * 0.5 + 0.4 * 0.8))
    assert (after.success_rate, after.average_quality, after.average_duration_seconds) == (0.5, 0.8, 2.4)


def test_without_confidences_the_success_rate_stands_for_the_quality() -> None:
    counters = counted(Counters(), entry(1, confidence=None), Contribution(True, True, True))
    assert counters.capability_score == pytest.approx(0.9 * 0.5 + 0.1)
    assert counters.average_quality is None


def test_only_the_last_twenty_confidences_matter() -> None:
    counters = Counters()
    for n in range(1, 42):
        counters = counted(counters, entry(n, confidence=0.0 if n <= 21 else 1.0), Contribution(True, True, True))
    assert counters.accounting.qualities == (1.0,) * 20
    assert counters.average_quality == 1.0


def test_sums_read_as_people_add() -> None:
    counters = Counters()
    for n in range(1, 4):
        counters = counted(counters, entry(n, energy={"delta": 0.1}), Contribution(True, False))
    assert counters.energy.cognitive_cost == 0.3
    assert counters.tasks_processed == 0


def test_a_stream_that_was_made_anew_is_counted_from_its_beginning() -> None:
    before = counted(on_stream(Counters(), "old"), entry(900), Contribution(True, True, True))
    after = counted(on_stream(before, "new"), entry(1), Contribution(True, True, True))
    assert (after.tasks_processed, after.accounting.sequence, after.accounting.stream) == (2, 1, "new")
    assert on_stream(after, "new") is after


def test_a_message_that_adds_nothing_is_passed() -> None:
    assert skipped(Counters(), 5).accounting.sequence == 5


def test_a_task_that_was_stopped_by_its_deletion_is_none_that_ended() -> None:
    stopped = entry(1, "failed", error_type="Cancelled")
    assert contribution_of(stopped, None, [stopped]) == Contribution(has_costs=True, ends_task=False)


def test_a_result_whose_status_the_api_server_refused_ends_the_task_without_success() -> None:
    e = entry(4)
    assert contribution_of(e, TaskAttempts("Failed", {}), [e]) == Contribution(has_costs=True, ends_task=True)


def test_an_attempt_that_runs_is_not_ended() -> None:
    body = {
        "status": {"phase": "Running", "attempts": [{"number": 1, "sequence": 3, "outcome": "Lost"}, {"number": 2}]}
    }
    assert task_attempts(body) == TaskAttempts("Running", {1: 3})
    assert task_attempts({}) == TaskAttempts(None, {})
