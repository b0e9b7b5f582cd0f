"""Free ports of processes that choose some at the same time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from servers import ports

pytestmark = pytest.mark.component
HACK = Path(__file__).parents[3] / "hack"
CHOOSE_ALL = "from servers import ports; ports.LAST_PORT = {}; print(*ports.free_ports(50)); input()"


def test_two_processes_choose_different_ports_until_one_of_them_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    few = ports.FIRST_PORT + 50
    monkeypatch.setattr(ports, "LAST_PORT", few)
    argv = [sys.executable, "-c", CHOOSE_ALL.format(few)]
    with subprocess.Popen(
        argv, env={**os.environ, "PYTHONPATH": str(HACK)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = set(map(int, other.stdout.readline().split()))
        assert theirs
        assert not theirs & set(ports.free_ports(50))
        other.communicate("\n")
    assert theirs & set(ports.free_ports(50))
