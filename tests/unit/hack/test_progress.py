import io

import pytest

from controlplane import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min 00 s"), (125, "2 min 05 s")])
def test_a_duration_reads_as_people_write_it(seconds: float, text: str) -> None:
    assert progress.elapsed(seconds) == text


def test_a_file_gets_whole_lines() -> None:
    out = io.StringIO()
    with progress.step("Building etcd", out):
        pass
    assert out.getvalue() == "Building etcd: done in 0 s\n"


def test_a_terminal_gets_one_line_that_is_rewritten() -> None:
    out = Terminal()
    with progress.step("Building etcd", out):
        pass
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().startswith("\r\x1b[2KBuilding etcd …")


def test_a_long_step_tells_the_elapsed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.01)
    out = io.StringIO()
    with progress.step("Building etcd", out):
        while "… 0 s" not in out.getvalue():
            pass


def test_a_failure_is_told_and_raised() -> None:
    out = io.StringIO()
    with pytest.raises(RuntimeError), progress.step("Building etcd", out):
        raise RuntimeError
    assert out.getvalue() == "Building etcd: failed in 0 s\n"
