import asyncio
import threading

import pytest

from cognitive_runtime.adapters.asyncio_executor import AsyncioExecutor


async def _where() -> tuple[str, int]:
    await asyncio.sleep(0)
    return "done", threading.get_ident()


def test_it_runs_in_this_thread_when_no_loop_runs() -> None:
    assert AsyncioExecutor().run(_where()) == ("done", threading.get_ident())


async def test_it_runs_in_a_fresh_thread_when_a_loop_runs() -> None:
    answer, thread = AsyncioExecutor().run(_where())
    assert answer == "done"
    assert thread != threading.get_ident()


@pytest.mark.parametrize("value", [None, 0, ""])
def test_any_result_is_a_result(value: object) -> None:
    async def give() -> object:
        return value

    assert AsyncioExecutor().run(give()) == value


async def test_an_error_reaches_the_caller() -> None:
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        AsyncioExecutor().run(fail())
