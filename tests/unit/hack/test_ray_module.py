import asyncio
from collections.abc import Iterator

import pytest

from support.ray_double import ray_module as ray


class Counter:
    """An actor."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers
        self.background: set[asyncio.Task[None]] = set()

    async def add(self, number: int) -> int:
        self.numbers.append(number)
        return sum(self.numbers)

    async def hang(self) -> None:
        self.background.add(asyncio.create_task(asyncio.sleep(3600)))
        await asyncio.Event().wait()

    async def fail(self) -> None:
        raise ValueError("no")


@pytest.fixture(autouse=True)
def joined() -> Iterator[None]:
    ray.init(namespace="here")
    yield
    ray.shutdown()


def start(name: str, numbers: list[int], **options: object) -> ray.Actor:
    return ray.remote(Counter).options(name=name, **options).remote(numbers)


async def test_a_call_returns_what_the_method_returns() -> None:
    actor = start("a", [1])
    assert await actor.add.remote(2) == 3
    with pytest.raises(ValueError, match="no"):
        await actor.fail.remote()


async def test_an_actor_gets_copies() -> None:
    numbers = [1]
    actor = start("a", numbers)
    assert await actor.add.remote(2) == 3
    assert numbers == [1]


def test_names_belong_to_their_namespace() -> None:
    here, there = start("a", []), start("a", [], namespace="there")
    assert ray.get_actor("a") is here
    assert ray.get_actor("a", namespace="there") is there
    with pytest.raises(ValueError, match="'b'"):
        ray.get_actor("b")


def test_a_name_is_taken_until_its_actor_ends() -> None:
    actor = start("a", [])
    with pytest.raises(ValueError, match="taken"):
        start("a", [])
    assert start("a", [], get_if_exists=True) is actor
    ray.kill(actor)
    assert start("a", []) is not actor


async def test_a_killed_actor_ends_its_calls_and_what_they_began() -> None:
    actor = start("a", [])
    call = actor.hang.remote()
    await asyncio.sleep(0)
    await asyncio.to_thread(ray.kill, actor)
    with pytest.raises(ray.RayActorError):
        await call
    with pytest.raises(ray.RayActorError):
        await actor.add.remote(1)


async def test_a_cancelled_call_is_no_death_of_its_actor() -> None:
    actor = start("a", [])
    call = actor.add.remote(1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await actor.add.remote(2) == 2


def test_leaving_ends_the_actors() -> None:
    start("a", [])
    ray.shutdown()
    assert not ray.is_initialized()
    ray.init(namespace="here")
    with pytest.raises(ValueError, match="'a'"):
        ray.get_actor("a")
