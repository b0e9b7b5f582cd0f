"""Warm slots: real processes that are forked in advance, each for one attempt, on a real broker."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cognitive_runtime.config import RuntimeSettings
from support.eventually import LIMIT_S, eventually_async
from support.servers.processes import is_alive
from support.servers.wire_broker import Attempt, WireBroker

pytestmark = pytest.mark.component

SCRIPTED = """
import asyncio, json, os, random, sys, threading
import cognitive_runtime.bootstrap.slots as slots
from cognitive_runtime.__main__ import main
from cognitive_runtime.domain import Reasoning

class Scripted:
    async def reason(self, request):
        known = {"event": "Begun", "pid": os.getpid(), "parent": os.getppid(), "random": random.random()}
        print(json.dumps(known), flush=True)
        if request.input["error_message"] == "hang":
            await asyncio.Event().wait()
        return Reasoning(outputs={"proposed_solution": "Enlarge it."}, thought="full", confidence=0.9)

    def learnt(self):
        return ()

fork = os.fork
FDS = "/proc/self/fd"

def checked_fork():
    threads, loop = len(os.listdir("/proc/self/task")), asyncio.events._get_running_loop()
    known = {"event": "Fork", "threads": threads, "python": threading.active_count(), "loop": loop is not None}
    print(json.dumps(known | {"connections": connections(), "ray": "ray" in sys.modules}), flush=True)
    return fork()

def connections():
    with open("/proc/self/net/tcp") as tcp:
        inodes = {line.split()[9] for line in list(tcp)[1:]}
    targets = [os.readlink(f"{FDS}/{fd}") for fd in os.listdir(FDS) if os.path.lexists(f"{FDS}/{fd}")]
    return [each for each in targets if each.startswith("socket:[") and each[8:-1] in inodes]

os.fork = checked_fork
slots.assemble_core = lambda *_, **__: Scripted()
if os.environ["LOADS"] == "nothing":
    slots.run_slots.__defaults__ = (lambda: None,)
sys.exit(main())
"""


BLOCKED = """
import os, sys, time
from cognitive_runtime.bootstrap.fork_server import ForkPolicy, ForkServer

def block(index, pipe):
    print(os.getpid(), flush=True)
    time.sleep(60)

policy = ForkPolicy(unresponsive_s=0.2, first_backoff_s=0.05, kill_after_s=0.1)
sys.exit(ForkServer(block, 1, 0.0, policy).run())
"""


@dataclass
class Slots:
    """The fork server of an agent's slots, and what its processes have written."""

    process: asyncio.subprocess.Process
    agent: str
    broker: WireBroker
    log: Path

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return the lines with an event."""
        lines = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line[:1] == "{"]
        return [line for line in lines if line.get("event") == event]

    async def ready(self, count: int = 1) -> dict[str, dict[str, Any]]:
        """Wait until so many slots are free, and return their leases."""

        async def found() -> dict[str, dict[str, Any]]:
            leases = await self.broker.leases(self.agent)
            free = {name: each for name, each in leases.items() if each["ready"] and not each["running"]}
            return free if len(free) == count else {}

        return await eventually_async(found, LIMIT_S)

    async def begun(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait until so many attempts have begun, and return their processes."""

        async def found() -> list[dict[str, Any]]:
            lines = self.events("Begun")
            return lines if len(lines) >= count else []

        return await eventually_async(found, LIMIT_S)

    async def publish(self, message: str = "full") -> Attempt:
        """Publish a request in Job mode."""
        attempt = Attempt(self.agent)
        await self.broker.publish(attempt, mode="Job", task_type="failure_analysis", input={"error_message": message})
        return attempt

    async def end(self) -> int:
        """Return the exit status."""
        return await asyncio.wait_for(self.process.wait(), LIMIT_S)


StartSlots = Callable[..., Awaitable[Slots]]


@pytest_asyncio.fixture
async def start(settings: RuntimeSettings, broker: WireBroker, agent: str, tmp_path: Path) -> AsyncIterator[StartSlots]:
    """Start the fork server of an agent's slots, which kills its children at its end."""
    started: list[asyncio.subprocess.Process] = []
    log = tmp_path / "slots.log"

    async def begin(number: int = 1, *, loads: str = "nothing", wait: bool = True, **environ: str) -> Slots:
        environment = {
            "COGNITIVE_NATS_URL": settings.nats_url,
            "COGNITIVE_SUBMISSION_ID": f"ca-{agent}-1a2b3c4d-1",
            "COGNITIVE_SPOOL_DIR": str(settings.spool_dir),
            "COGNITIVE_EXECUTION": json.dumps({"schema_version": 1, "warm_slots": number}),
            "LOADS": loads,
        }
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", SCRIPTED, "executor", "--namespace", "default", "--agent-uid", agent),
                env=os.environ | environment | environ,
                stdout=out,
                start_new_session=True,
            )
        started.append(process)
        found = Slots(process, agent, broker, log)
        if wait:
            await found.ready(number)
        return found

    yield begin
    for process in started:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def test_each_attempt_has_a_process_of_its_own(broker: WireBroker, start: StartSlots) -> None:
    slots = await start(2)
    workers = set()
    for number in range(1, 4):
        response = await broker.wait_response(await slots.publish())
        assert (response.outcome, response.body["mode"]) == ("completed", "Job")
        workers.add(response.body["worker"])
        await slots.ready(2)
        assert len(slots.events("Begun")) == number
    begun = slots.events("Begun")
    assert len({each["pid"] for each in begun}) == len(workers) == 3
    assert {each["parent"] for each in begun} == {slots.process.pid}
    assert len({each["random"] for each in begun}) == 3, "forked processes repeat random numbers"
    assert {each["worker"] for each in slots.events("AttemptEnded")} == workers


async def test_the_server_forks_with_one_thread_no_event_loop_and_no_connection_after_all_imports(
    broker: WireBroker, start: StartSlots
) -> None:
    slots = await start(1, loads="everything")
    await broker.wait_response(await slots.publish())
    await slots.ready()
    forks = slots.events("Fork")
    assert len(forks) >= 2
    for each in forks:
        del each["event"]
        assert each == {"threads": 1, "python": 1, "loop": False, "connections": [], "ray": False}


async def test_leases_of_slots_name_mode_job_and_the_feature(start: StartSlots) -> None:
    (lease,) = (await (await start()).ready()).values()
    assert (lease["mode"], lease["capacity"], "warm_slots" in lease["features"]) == ("Job", 1, True)


async def test_a_slot_that_is_killed_in_an_attempt_is_replaced(broker: WireBroker, start: StartSlots) -> None:
    slots = await start()
    lost = await slots.publish("hang")
    (begun,) = await slots.begun()
    os.kill(begun["pid"], signal.SIGKILL)
    await slots.ready()
    assert (await broker.wait_response(await slots.publish())).outcome == "completed"
    assert await broker.responses(lost) == []
    (replaced,) = slots.events("SlotReplaced")
    assert replaced["exit_code"] == -signal.SIGKILL


async def test_sigterm_ends_running_attempts_and_all_processes(broker: WireBroker, start: StartSlots) -> None:
    slots = await start(2)
    attempt = await slots.publish("hang")
    (begun,) = await slots.begun()
    slots.process.send_signal(signal.SIGTERM)
    assert await slots.end() == 0
    assert (await broker.wait_response(attempt)).body["error_type"] == "InternalError"
    assert not is_alive(begun["pid"])
    assert await broker.leases(slots.agent) == {}


async def test_a_drained_server_ends_after_the_running_attempt(broker: WireBroker, start: StartSlots) -> None:
    slots = await start(2)
    attempt = await slots.publish("hang")
    await slots.begun()
    await broker.drain(slots.agent, f"ca-{slots.agent}-1a2b3c4d-1")
    await eventually_async(lambda: _drains(slots))
    assert slots.process.returncode is None
    await broker.stop(attempt)
    assert await slots.end() == 0
    assert (await broker.wait_response(attempt)).body["error_type"] == "Cancelled"


async def _drains(slots: Slots) -> bool:
    return [lease["reason"] for lease in (await slots.broker.leases(slots.agent)).values()] == ["Draining"]


async def test_slots_end_with_a_server_that_was_killed(broker: WireBroker, start: StartSlots) -> None:
    slots = await start()
    attempt = await slots.publish("hang")
    (begun,) = await slots.begun()
    slots.process.kill()
    assert (await broker.wait_response(attempt)).body["error_type"] == "InternalError"
    await eventually_async(lambda: _has_ended(begun["pid"]))


async def _has_ended(pid: int) -> bool:
    return not is_alive(pid)


async def test_a_request_that_was_claimed_elsewhere_uses_up_no_slot(broker: WireBroker, start: StartSlots) -> None:
    slots = await start(1)
    (worker,) = await slots.ready()
    taken = Attempt(slots.agent)
    await broker.jetstream.publish(f"$KV.claims.{slots.agent}.{taken.id}", b"{}")
    await broker.publish(taken, mode="Job")
    response = await broker.wait_response(await slots.publish())
    assert (response.body["worker"], len(slots.events("Begun"))) == (worker, 1)


async def test_slots_that_cannot_reach_the_broker_end_the_server(start: StartSlots) -> None:
    unreachable = {"COGNITIVE_NATS_URL": "nats://127.0.0.1:1", "COGNITIVE_BROKER_WAIT_S": "0.1"}
    slots = await start(2, wait=False, **unreachable)
    assert await slots.end() == 6


async def test_a_slot_whose_event_loop_is_blocked_is_killed_and_replaced_also_at_the_end() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", BLOCKED, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    first, second = [int(await asyncio.wait_for(process.stdout.readline(), LIMIT_S)) for _ in range(2)]
    assert not is_alive(first)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), LIMIT_S) == 0
    assert not is_alive(second)
