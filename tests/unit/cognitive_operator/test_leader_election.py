"""Leader election of several candidates on clocks of their own, and of an operator that is alone."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from cognitive_operator.errors import ApiUnavailableError, ConflictError, ForbiddenError
from cognitive_operator.plan.leader_election import LeaseTiming
from cognitive_operator.reconcile.leader_election import SILENCE_S, LeaseElection, NoElection
from support.fakes.clock import FakeClock

SKEW_WALL = "2026-11-21T02:01:10.000000Z"
"""A minute ahead of the other clock."""


@dataclass
class Server:
    """One Lease with a resourceVersion, as the API server keeps it."""

    stored: dict[str, Any] | None = None
    version: int = 0
    writes: list[str] = field(default_factory=list)

    def put(self, body: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        meta = {**body["metadata"], "resourceVersion": str(self.version)}
        self.stored = {**body, "metadata": meta}
        self.writes.append(body["spec"]["holderIdentity"])
        return self.stored


@dataclass
class Way:
    """One candidate's way to the API server, which may be cut."""

    server: Server
    namespace: str = "cognitive-system"
    error: Exception | None = None
    is_silent: bool = False
    loses_answers: bool = False
    during: Callable[[], object] = lambda: None
    calls: list[str] = field(default_factory=list)

    async def _go(self, call: str) -> None:
        self.calls.append(call)
        self.during()
        if self.is_silent:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error

    async def get(self, name: str) -> Any:
        await self._go("get")
        return self.server.stored

    async def create(self, body: Any) -> Any:
        await self._go("create")
        if self.server.stored is not None:
            raise ConflictError("exists")
        return self.server.put(body)

    async def replace(self, body: Any) -> Any:
        await self._go("replace")
        if body["metadata"]["resourceVersion"] != str(self.server.version):
            raise ConflictError("changed")
        stored = self.server.put(body)
        if self.loses_answers:
            raise ApiUnavailableError("the answer is lost")
        return stored


class Candidate:
    """An operator with a clock of its own."""

    def __init__(self, server: Server, name: str, timing: LeaseTiming | None = None, **clock: Any) -> None:
        self.way, self.clock = Way(server), FakeClock(**clock)
        self.election = LeaseElection(self.way, self.clock, "pair", name, timing)

    async def check(self) -> bool:
        return await self.election.check()

    async def after(self, seconds: float) -> bool:
        self.clock.advance(seconds)
        return await self.check()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def one(server: Server) -> Candidate:
    return Candidate(server, "one")


@pytest.fixture
def two(server: Server) -> Candidate:
    return Candidate(server, "two", monotonic_s=90_000.0, wall=SKEW_WALL)


async def test_the_first_leads_and_renews_and_a_minute_of_skew_makes_no_second_leader(
    one: Candidate, two: Candidate, server: Server
) -> None:
    for _ in range(60):
        assert (await one.after(2.0), await two.after(2.0)) == (True, False)
    assert set(server.writes) == {"one"}
    assert one.way.calls == ["get", "create", *["replace"] * 59]
    assert "held by one" in two.election.cause


async def test_the_second_takes_over_when_it_has_seen_no_renewal_for_fifteen_seconds(
    one: Candidate, two: Candidate, server: Server
) -> None:
    assert await one.check()
    leads = [await two.after(2.0) for _ in range(9)]
    assert leads == [False] * 8 + [True], "seen at 2 s, taken at 18 s"
    assert (server.stored or {})["spec"]["leaseTransitions"] == 1
    assert await one.check() is False
    assert "held by two" in one.election.cause


async def test_a_released_lease_is_taken_by_the_next_read(one: Candidate, two: Candidate) -> None:
    assert await one.check()
    assert not await two.check()
    await one.election.release()
    assert await two.after(2.0)
    assert await one.check() is False


async def test_only_the_holder_releases(one: Candidate, two: Candidate, server: Server) -> None:
    await one.check()
    await two.check()
    await two.election.release()
    assert server.writes == ["one"]
    one.clock.advance(30.0)
    await one.election.release()
    assert server.writes == ["one"], "another operator may hold it by now"


@pytest.mark.parametrize("fault", ["refused", "silent"])
async def test_a_leader_that_cannot_renew_stops_at_its_deadline(server: Server, fault: str) -> None:
    one = Candidate(server, "one", LeaseTiming(request_s=0.001))
    assert await one.check()
    one.way.is_silent, one.way.error = fault == "silent", ApiUnavailableError("refused") if fault == "refused" else None
    assert [await one.after(2.0) for _ in range(4)] == [True] * 4
    assert await one.after(1.9)
    assert one.election.pause_s == pytest.approx(0.1)
    assert await one.after(0.1) is False
    assert "was not renewed for 10 s" in one.election.cause
    one.way.is_silent, one.way.error = False, None
    assert await one.after(2.0)


async def test_a_leader_that_was_paused_ends_its_engine_before_it_leads_again(one: Candidate) -> None:
    """The engine's state is outdated after the pause, although no other candidate has taken the Lease."""
    assert await one.check()
    assert [await one.after(60.0), await one.check(), await one.after(2.0)] == [False, True, True]


async def test_an_operator_alone_that_was_paused_ends_its_engine_too() -> None:
    clock = FakeClock()
    alone = NoElection(Api(clock), clock)
    assert await alone.check()
    clock.advance(60.0)
    assert [await alone.check(), await alone.check()] == [False, True]


async def test_a_leader_waits_for_no_answer_beyond_its_deadline(server: Server) -> None:
    one = Candidate(server, "one", LeaseTiming(request_s=60.0))
    assert await one.check()
    one.way.is_silent = True
    one.clock.advance(9.99)
    async with asyncio.timeout(1.0):
        await one.check()


async def test_the_deadline_counts_from_the_begin_of_a_write(one: Candidate) -> None:
    """A candidate may have seen the write at its begin, however late its answer comes."""
    assert await one.check()
    one.way.during = lambda: one.clock.advance(3.0)
    assert await one.check()
    one.way.during, one.way.error = lambda: None, ApiUnavailableError("refused")
    assert await one.after(6.9)
    assert not await one.after(0.1)


async def test_a_write_whose_answer_was_lost_is_found_by_the_next_read(one: Candidate, server: Server) -> None:
    assert await one.check()
    one.way.loses_answers = True
    assert await one.after(2.0)
    one.way.loses_answers = False
    one.way.calls.clear()
    assert await one.after(2.0)
    assert one.way.calls == ["replace", "get", "replace"]
    assert (server.stored or {})["spec"]["leaseTransitions"] == 0


async def test_of_two_that_take_a_free_lease_one_leads(server: Server) -> None:
    one, two = Candidate(server, "one"), Candidate(server, "two")
    assert await one.check()
    await one.election.release()
    read = two.way.get

    async def read_then_lose(name: str) -> Any:
        found = await read(name)
        assert await one.after(2.0)
        return found

    two.way.get = read_then_lose  # type: ignore[method-assign]
    assert not await two.check()
    assert server.writes == ["one", "", "one"]


async def test_a_missing_right_is_logged_once(one: Candidate, caplog: pytest.LogCaptureFixture) -> None:
    one.way.error = ForbiddenError("cannot get leases")
    for _ in range(3):
        assert not await one.after(2.0)
    assert [vars(line)["cause"] for line in caplog.records] == ["cannot get leases"]


async def test_a_release_that_fails_is_logged_and_ends(one: Candidate, caplog: pytest.LogCaptureFixture) -> None:
    await one.check()
    one.way.error = ApiUnavailableError("refused")
    await one.election.release()
    assert [vars(line)["cause"] for line in caplog.records] == ["refused"]


class Api:
    """Answers of the API server to an operator that is alone."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.answered_s, self.is_away, self.pings = clock, clock.monotonic_s, False, 0
        self.is_silent = False

    async def ping(self) -> None:
        self.pings += 1
        if self.is_silent:
            await asyncio.Event().wait()
        if self.is_away:
            raise ApiUnavailableError("refused")
        self.answered_s = self.clock.monotonic_s


async def test_an_operator_alone_acts_until_the_api_server_was_silent_for_twenty_seconds() -> None:
    clock = FakeClock()
    api = Api(clock)
    alone = NoElection(api, clock)
    assert await alone.check()
    clock.advance(4.0)
    assert (await alone.check(), api.pings) == (True, 0), "other requests were answered lately"
    clock.advance(2.0)
    assert (await alone.check(), api.pings, alone.pause_s) == (True, 1, 2.0)
    api.is_away = True
    clock.advance(SILENCE_S - 0.5)
    assert (await alone.check(), alone.pause_s) == (True, 0.5)
    clock.advance(0.5)
    assert not await alone.check()
    assert alone.cause == "the API server has not answered for 20 s"
    api.is_away = False
    assert await alone.check()


async def test_an_operator_alone_waits_for_no_answer_beyond_its_deadline() -> None:
    clock = FakeClock()
    api = Api(clock)
    api.is_silent = True
    clock.advance(SILENCE_S - 0.01)
    async with asyncio.timeout(1.0):
        await NoElection(api, clock).check()
