"""Storage of the tool server: with too many bytes, the writer that has written most is stopped."""

import asyncio
import os
from pathlib import Path

import pytest

from cognitive_runtime.adapters.tools.folders import UncountableFiles
from cognitive_runtime.adapters.tools.server import storage as storages
from cognitive_runtime.adapters.tools.server.storage import Storage, TooManyBytes


async def test_a_work_that_fills_the_volume_is_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storages, "CHECK_S", 0.01)
    storage = Storage(tmp_path, 1000)
    (tmp_path / "file").write_bytes(os.urandom(10_000))
    forever = asyncio.Event()
    async with storage.writer(lambda: 0) as writer:
        with pytest.raises(TooManyBytes, match="at most 1000 are allowed"):
            await storage.bound(forever.wait(), writer)


async def test_a_work_that_another_writer_has_made_too_much_keeps_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storages, "CHECK_S", 0.01)
    storage = Storage(tmp_path, 1000)
    sizes = {"full": 500, "small": 900}
    async with storage.writer(lambda: sizes["full"]) as full, storage.writer(lambda: sizes["small"]) as small:
        (tmp_path / "file").write_bytes(os.urandom(10_000))
        sizes.update(full=800, small=1000)  # the small one has the most bytes, but has written fewer
        assert await storage.bound(asyncio.sleep(0, "done"), small) == "done"
        with pytest.raises(TooManyBytes):
            await storage.bound(asyncio.Event().wait(), full)
        sizes.update(full=0)  # its directory is being deleted, and there are still too many bytes
        assert await storage.bound(asyncio.sleep(0, "done"), small) == "done"
    async with storage.writer(lambda: 0) as next_one:
        with pytest.raises(TooManyBytes):
            await storage.bound(asyncio.sleep(0), next_one)


async def test_a_work_that_is_given_up_with_too_many_bytes_has_written_too_much(tmp_path: Path) -> None:
    storage = Storage(tmp_path, 1000)
    async with storage.writer(lambda: 0) as writer:
        working = asyncio.create_task(storage.bound(asyncio.Event().wait(), writer))
        await asyncio.sleep(0)
        (tmp_path / "file").write_bytes(os.urandom(10_000))
        working.cancel()
        with pytest.raises(TooManyBytes):
            await working


async def test_a_writer_whose_files_cannot_be_counted_has_written_most(tmp_path: Path) -> None:
    def uncountable() -> int:
        if begun:
            raise UncountableFiles
        return 0

    (tmp_path / "file").write_text("a")
    storage, begun = Storage(tmp_path, 0), False
    async with storage.writer(uncountable) as broken, storage.writer(lambda: 0) as other:
        begun = True
        assert await storage.bound(asyncio.sleep(0, "done"), other) == "done"
        with pytest.raises(TooManyBytes):
            await storage.bound(asyncio.sleep(0), broken)
    async with storage.writer(lambda: 10**9) as other, storage.writer(uncountable) as broken:
        assert await storage.bound(asyncio.sleep(0, "done"), other) == "done"
        with pytest.raises(TooManyBytes):
            await storage.bound(asyncio.sleep(0), broken)
