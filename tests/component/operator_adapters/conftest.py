"""A real nats-server that a test may stop, start again and empty, and a broker connected to it."""

import asyncio
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from cognitive_operator.adapters.clock import SystemClock
from cognitive_operator.adapters.nats_broker import NatsBroker
from cognitive_operator.adapters.nats_connection import NatsSettings
from cognitive_operator.ports import Broker


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RestartableNats:
    """A nats-server on one port and one store, through any number of lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = _free_port()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    async def start(self) -> None:
        binary = Path(sys.executable).parent / "nats-server"
        self._process = await asyncio.create_subprocess_exec(
            str(binary), "-a", "127.0.0.1", "-p", str(self._port), "-js", "-sd", str(self._folder),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await eventually(self._answers)

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def forget(self) -> None:
        """Empty the store: the next start knows nothing."""
        shutil.rmtree(self._folder)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


async def eventually(predicate: Callable[[], bool], timeout_s: float = 10.0, interval_s: float = 0.01) -> None:
    """Wait until the predicate holds."""
    async with asyncio.timeout(timeout_s):
        while not predicate():
            await asyncio.sleep(interval_s)


@pytest.fixture(name="nats")
async def _nats(tmp_path: Path) -> AsyncIterator[RestartableNats]:
    server = RestartableNats(tmp_path / "nats")
    yield server
    await server.kill()


@pytest.fixture
async def broker(nats: RestartableNats) -> AsyncIterator[Broker]:
    """A broker that is connected and has its streams."""
    await nats.start()
    made = NatsBroker(NatsSettings(nats.url), SystemClock())
    await made.start()
    await eventually(lambda: made.is_connected)
    yield made
    await made.close()
