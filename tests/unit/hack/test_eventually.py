import asyncio
import time

import pytest

from support import eventually as module
from support.eventually import LONGEST_PAUSE_S, SHARE, eventually, eventually_async


@pytest.fixture(autouse=True)
def no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests say how long to wait, also where CI waits for longer."""
    monkeypatch.setattr(module, "PATIENCE", 1.0)


def answers(*values: object) -> "list[object]":
    return list(values)


def test_the_first_true_answer_is_returned() -> None:
    left = answers(None, 0, "", "yes", "no more")
    assert eventually(lambda: left.pop(0), interval_s=0) == "yes"
    assert left == ["no more"]


def test_the_last_answer_is_told() -> None:
    with pytest.raises(AssertionError, match=r"not true within 0\.01 s, last answer: \[\]"):
        eventually(lambda: [], timeout_s=0.01, interval_s=0.001)


def test_an_assertion_of_the_predicate_counts_as_a_no_until_the_end() -> None:
    left = answers(1, 2, 3)

    def is_three() -> bool:
        value = left.pop(0)
        assert value == 3
        return True

    assert eventually(is_three, interval_s=0)

    def never() -> bool:
        raise AssertionError("phase is Queued")

    with pytest.raises(AssertionError, match="phase is Queued"):
        eventually(never, timeout_s=0.01, interval_s=0.001)


def test_another_error_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        eventually(lambda: 1 / 0)


@pytest.mark.parametrize(("asking_s", "pause_s"), [(0.01, 0.1), (0.2, (SHARE - 1) * 0.2), (60.0, LONGEST_PAUSE_S)])
def test_what_costs_much_to_ask_is_asked_less_often(
    monkeypatch: pytest.MonkeyPatch, asking_s: float, pause_s: float
) -> None:
    now_s, pauses, left = [0.0], answers(), answers(False, True)
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    monkeypatch.setattr(time, "sleep", pauses.append)

    def ask() -> object:
        now_s[0] += asking_s
        return left.pop(0)

    eventually(ask, timeout_s=1000.0, interval_s=0.1)
    assert pauses == [pytest.approx(pause_s)]


async def test_ci_waits_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 3.0)

    async def never() -> bool:
        return False

    with pytest.raises(AssertionError, match=r"not true within 0\.03 s"):
        eventually(lambda: False, timeout_s=0.01, interval_s=0.001)
    with pytest.raises(AssertionError, match=r"not true within 0\.03 s"):
        await eventually_async(never, timeout_s=0.01, interval_s=0.001)


async def test_a_coroutine_is_asked_while_others_run() -> None:
    seen = asyncio.Event()
    setter = asyncio.create_task(asyncio.sleep(0.01))
    setter.add_done_callback(lambda _: seen.set())

    async def is_seen() -> bool:
        return seen.is_set()

    assert await eventually_async(is_seen, timeout_s=2, interval_s=0.001)
