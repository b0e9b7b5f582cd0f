import asyncio

from cognitive_runtime.adapters.asyncio_tasks import cancel


async def _forget(cancellations: int) -> str:
    """Forget some cancellations, as a library can."""
    for _ in range(cancellations):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue
    await asyncio.sleep(60)
    return "ended by itself"


async def test_a_task_that_forgets_its_cancellation_ends_all_the_same() -> None:
    tasks = [asyncio.create_task(_forget(times)) for times in (0, 1, 3)]
    await asyncio.sleep(0)
    await asyncio.wait_for(cancel(*tasks, repeat_s=0.01), 2)
    assert all(task.cancelled() for task in tasks)


async def test_tasks_that_have_ended_are_left_as_they_are() -> None:
    async def fail() -> None:
        raise KeyError("x")

    done, failed = asyncio.create_task(asyncio.sleep(0, "done")), asyncio.create_task(fail())
    await asyncio.wait({done, failed})
    await cancel(done, failed)
    assert done.result() == "done"
    assert isinstance(failed.exception(), KeyError)


async def test_nothing_is_no_error() -> None:
    await cancel()
