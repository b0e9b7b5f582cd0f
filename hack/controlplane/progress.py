"""Progress output for long steps."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

TERMINAL_INTERVAL_S = 1.0
LINE_INTERVAL_S = 15.0


def elapsed(seconds: float) -> str:
    """Return a readable duration: ``7 s``, ``2 min 05 s``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


@contextmanager
def step(text: str, out: TextIO | None = None) -> Iterator[None]:
    """Print ``text`` with the elapsed time of the block: an updated line on a terminal, else a line every 15 s."""
    stream = out or sys.stderr
    done = threading.Event()
    started = time.monotonic()
    ticker = threading.Thread(target=_tick, args=(text, stream, done, started), daemon=True)
    ticker.start()
    outcome = "failed"
    try:
        yield
        outcome = "done"
    finally:
        done.set()
        ticker.join()
        _write(stream, f"{text}: {outcome} in {elapsed(time.monotonic() - started)}", last=True)


def _tick(text: str, stream: TextIO, done: threading.Event, started: float) -> None:
    interval_s = TERMINAL_INTERVAL_S if stream.isatty() else LINE_INTERVAL_S
    if stream.isatty():
        _write(stream, f"{text} …", last=False)
    while not done.wait(interval_s):
        _write(stream, f"{text} … {elapsed(time.monotonic() - started)}", last=False)


def _write(stream: TextIO, line: str, *, last: bool) -> None:
    if stream.isatty():
        stream.write(f"\r\x1b[2K{line}" + ("\n" if last else ""))
    else:
        stream.write(f"{line}\n")
    stream.flush()
