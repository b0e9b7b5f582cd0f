import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lanes.__main__ import Lane, main, run

HACK = Path(__file__).parents[3] / "hack"
MEET = """
import pathlib, sys, time
mine, other = map(pathlib.Path, sys.argv[1:])
mine.touch()
while not other.exists():
    time.sleep(0.01)
print("met")
"""


def python(*argv: str) -> list[str]:
    return [sys.executable, "-c", *argv]


def test_lanes_run_at_the_same_time_and_their_lines_tell_which_is_which(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    lanes = [Lane("fast", python(MEET, first, second)), Lane("slow one", python(MEET, second, first))]
    assert run(lanes) == 0
    lines = capfd.readouterr().out.splitlines()
    assert {"fast     | met", "slow one | met"} <= set(lines)
    assert sum("exit code 0 after" in line for line in lines) == 2


def test_a_lane_that_fails_fails_the_run_after_the_others_have_ended(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    late = python(
        "import sys, time, pathlib; time.sleep(0.3); pathlib.Path(sys.argv[1]).touch()", str(tmp_path / "end")
    )
    assert run([Lane("bad", python("raise SystemExit(3)")), Lane("good", late)]) == 3
    assert (tmp_path / "end").exists()
    assert "bad  | exit code 3" in capfd.readouterr().out


def test_a_lane_without_a_name_is_refused() -> None:
    with pytest.raises(SystemExit, match="'tests/unit' is not NAME=ARGUMENTS"):
        main(["tests/unit"])


def test_sigterm_interrupts_the_lanes_and_waits_until_they_have_cleaned_up(tmp_path: Path) -> None:
    test = tmp_path / "test_slow.py"
    test.write_text(
        "import pathlib, time, pytest\n"
        "@pytest.fixture\n"
        "def server():\n"
        f"    pathlib.Path({str(tmp_path / 'up')!r}).touch()\n"
        "    yield\n"
        f"    pathlib.Path({str(tmp_path / 'down')!r}).touch()\n"
        "def test_it(server):\n    time.sleep(60)\n"
    )
    argv = [sys.executable, "-m", "lanes", f"only=-p no:cacheprovider {test}"]
    process = subprocess.Popen(argv, cwd=tmp_path, env={"PYTHONPATH": str(HACK)}, stdout=subprocess.DEVNULL)
    try:
        deadline_s = time.monotonic() + 30
        while not (tmp_path / "up").exists() and time.monotonic() < deadline_s:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    finally:
        process.kill()
    assert (tmp_path / "down").exists()
