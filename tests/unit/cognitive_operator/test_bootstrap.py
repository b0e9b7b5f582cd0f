"""The operator's process: errors at its end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cognitive_operator import bootstrap


async def stubborn() -> AsyncIterator[int]:
    """A stream that cannot be closed, as a watch of Kopf's sometimes."""
    while True:
        try:
            yield 1
        except GeneratorExit:
            raise RuntimeError("generator didn't stop") from None


def test_a_stream_that_fails_to_close_at_the_end_is_no_crash(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept: list[AsyncIterator[int]] = []

    async def run_once(*_: object) -> bool:
        kept.append(stubborn())
        await anext(kept[0])
        return True

    monkeypatch.setattr(bootstrap, "_run_once", run_once)
    asyncio.run(bootstrap.run(None))  # type: ignore[arg-type]
    (said,) = [record for record in caplog.records if record.name == bootstrap.__name__]
    assert (said.getMessage(), said.exc_info) == ("a stream did not close", None)
    assert "generator didn't stop" in vars(said)["cause"]
