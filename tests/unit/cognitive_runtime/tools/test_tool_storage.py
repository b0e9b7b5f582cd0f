"""Storage of the tool server: with too many bytes, the fewest of the largest writers are stopped."""

import asyncio
import contextlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from cognitive_runtime.adapters.tools.folders import UncountableFiles
from cognitive_runtime.adapters.tools.folders import used_bytes as real_used_bytes
from cognitive_runtime.adapters.tools.server import storage as storages
from cognitive_runtime.adapters.tools.server.storage import Storage, TooManyBytes, Writer, added_bytes

UNIT = 1 << 16
LIMIT = 10 * UNIT
"""Directories and their own blocks need less than one unit."""


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    monkeypatch.setattr(storages, "CHECK_S", 0.01)
    return Storage(tmp_path, LIMIT)


def write(folder: Path, units: float) -> None:
    """Write a file, in place of an earlier one of the same size."""
    folder.mkdir(exist_ok=True)
    (folder / str(units)).write_bytes(os.urandom(int(units * UNIT)))


async def is_kept(storage: Storage, writer: Writer) -> bool:
    """Return True if a short work of a writer has a result."""
    try:
        return await storage.bound(asyncio.sleep(0, True), writer)
    except TooManyBytes:
        assert writer.is_stopped
        return False


async def test_a_work_that_fills_the_volume_is_cancelled(storage: Storage, tmp_path: Path) -> None:
    async with storage.writer(tmp_path / "a") as writer:
        write(tmp_path / "a", 11)
        with pytest.raises(TooManyBytes, match=f"at most {LIMIT} are allowed"):
            await storage.bound(asyncio.Event().wait(), writer)


@pytest.mark.parametrize(
    "cases",
    [
        ((0, 4, True), (0, 3, True), (0, 2, True)),
        ((0, 15, False), (0, 8, True), (0, 1, True)),
        ((0, 30, False), (0, 22, False), (0, 1, True)),  # without the largest one, the second is still too much
        ((0, 30, False), (0, 22, False), (0, 12, False)),
        ((0, 5, False), (6, 2, True), (0, 0, True)),  # the second has the most bytes, but has written fewer
        ((6, 0, True), (6, 0, True), (0, 0.25, False)),
        ((6, 0, True), (6, 0, True), (0, 0, True)),
    ],
)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
async def test_the_fewest_of_the_largest_writers_are_stopped(
    storage: Storage, tmp_path: Path, cases: tuple[tuple[float, float, bool], ...], order: tuple[int, ...]
) -> None:
    """Each case has the units before a writer, those that it writes, and True if it is kept."""
    folders = [tmp_path / str(number) for number in range(3)]
    async with contextlib.AsyncExitStack() as stack:
        for folder, (before, _, _) in zip(folders, cases, strict=True):
            write(folder, before)
        writers = [await stack.enter_async_context(storage.writer(each)) for each in folders]
        for folder, (_, written, _) in zip(folders, cases, strict=True):
            if written:
                write(folder / "new", written)
        found = {number: await is_kept(storage, writers[number]) for number in order}
    assert [found[number] for number in range(3)] == [kept for _, _, kept in cases]


async def test_the_files_of_a_stopped_writer_stop_no_other_one(storage: Storage, tmp_path: Path) -> None:
    async with storage.writer(tmp_path / "small") as small:
        write(tmp_path / "small", 2)
        async with storage.writer(tmp_path / "full") as full:
            write(tmp_path / "full", 12)
            assert not await is_kept(storage, full)
            os.unlink(tmp_path / "full" / "12")
            write(tmp_path / "full", 1)  # its directory is being deleted
            write(tmp_path / "other", 7)
            assert await is_kept(storage, small)
        assert not await is_kept(storage, small)  # the directory was not deleted


async def test_a_work_that_is_given_up_with_too_many_bytes_has_written_too_much(
    storage: Storage, tmp_path: Path
) -> None:
    async with storage.writer(tmp_path / "full") as full, storage.writer(tmp_path / "half") as half:
        for writer, units in ((full, 30), (half, 22)):
            write(writer.folder, units)
            writer.folder.rename(tmp_path / "hidden")
            working = asyncio.create_task(storage.bound(asyncio.Event().wait(), writer))
            await asyncio.sleep(0)
            (tmp_path / "hidden").rename(writer.folder)
            working.cancel()
            with pytest.raises(TooManyBytes):
                await working


async def test_a_writer_whose_files_cannot_be_counted_is_stopped(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def used_bytes(folder: Path) -> int:
        if folder.name == "broken":
            raise UncountableFiles
        return real_used_bytes(folder)

    async with contextlib.AsyncExitStack() as stack:
        broken, large, full = [
            await stack.enter_async_context(storage.writer(tmp_path / name)) for name in ("broken", "large", "full")
        ]
        monkeypatch.setattr(storages, "used_bytes", used_bytes)
        for name, units in (("broken", 0), ("large", 8)):
            write(tmp_path / name, units)
        assert await is_kept(storage, large)
        assert not await is_kept(storage, broken)
        write(tmp_path / "full", 11)
        assert await is_kept(storage, large)
        assert not await is_kept(storage, full)
        with pytest.raises(TooManyBytes, match="cannot be counted"):
            await storage.check()


async def test_a_folder_of_all_sessions_that_cannot_be_read_is_too_much(storage: Storage, tmp_path: Path) -> None:
    async with storage.writer(tmp_path / "a") as writer:
        storage.folder = tmp_path / "absent"
        assert not await is_kept(storage, writer)
        with pytest.raises(TooManyBytes, match="cannot be counted"):
            await storage.check()


async def test_a_file_beside_the_directories_counts_and_a_link_does_not(storage: Storage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, 11)
    storage.folder = tmp_path / "sessions"
    storage.folder.mkdir()
    (storage.folder / "link").symlink_to(outside)
    await storage.check()
    write(storage.folder, 11)
    with pytest.raises(TooManyBytes):
        await storage.check()


async def test_a_pause_does_not_grow_with_the_wait_for_other_checks(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    monkeypatch.setattr(storages, "time", SimpleNamespace(monotonic=lambda: now_s))
    async with storage.writer(tmp_path / "a") as writer:
        async with storage.lock:
            checking = asyncio.create_task(storage._check_writer(writer))
            await asyncio.sleep(0)
            now_s = 100
        assert await checking == 0


def test_the_bytes_of_a_new_file_are_whole_blocks_with_its_directories(tmp_path: Path) -> None:
    assert [added_bytes(size, None, 3) for size in (0, 1, 4096, 4097)] == [12288, 16384, 16384, 20480]
    path = tmp_path / "file"
    path.write_bytes(os.urandom(8192))
    assert [added_bytes(size, path.stat(), 3) for size in (1, 8192, 8193)] == [-4096, 0, 4096]
    (tmp_path / "name").hardlink_to(path)
    assert added_bytes(1, path.stat(), 3) == 4096
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert added_bytes(8192, (tmp_path / "sparse").stat(), 3) == 8192
