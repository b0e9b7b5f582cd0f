"""``python -m lanes NAME=ARGUMENTS …`` runs a pytest for each lane, side by side, and prefixes its lines."""

import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Lane:
    """A command that runs beside others."""

    name: str
    argv: Sequence[str]


def main(arguments: Sequence[str]) -> int:
    """Run the lanes of the command line and return the exit code for the process."""
    lanes = [Lane(name, [sys.executable, "-m", "pytest", *shlex.split(rest)]) for name, rest in map(_split, arguments)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return run(lanes)


def run(lanes: Sequence[Lane]) -> int:
    """Run all lanes to their ends; return the first exit code that is not 0, else 0.

    On an interrupt or SIGTERM every lane is interrupted, so that it closes its servers, and waited for.
    """
    width = max(len(lane.name) for lane in lanes)
    started = [_start(lane, width) for lane in lanes]
    try:
        codes = [process.wait() for process, _ in started]
    except BaseException:
        for process, _ in started:
            process.send_signal(signal.SIGINT)
        for process, _ in started:
            process.wait()
        raise
    finally:
        for _, printer in started:
            printer.join()
    return next((code for code in codes if code), 0)


def _start(lane: Lane, width: int) -> tuple["subprocess.Popen[str]", threading.Thread]:
    process = subprocess.Popen(
        lane.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    printer = threading.Thread(target=_print_lines, args=(process, f"{lane.name:{width}} | ", time.monotonic()))
    printer.start()
    return process, printer


def _print_lines(process: "subprocess.Popen[str]", prefix: str, began_s: float) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            print(f"{prefix}{line}", end="", flush=True)
    print(f"{prefix}exit code {process.wait()} after {time.monotonic() - began_s:.0f} s", flush=True)


def _split(argument: str) -> tuple[str, str]:
    name, separator, rest = argument.partition("=")
    if not separator or not name:
        raise SystemExit(f"lanes: {argument!r} is not NAME=ARGUMENTS")
    return name, rest


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
