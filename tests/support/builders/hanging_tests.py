"""Test commands for the tool server: their options, a test whose processes stay, and their ids."""

import shlex
from pathlib import Path

from support.eventually import eventually

FAMILY = """
import os, subprocess, sys, time
child = "import time; print('grandchild', flush=True); time.sleep(600)"
kept = subprocess.Popen([sys.executable, "-S", "-c", child])
away = subprocess.Popen([sys.executable, "-S", "-c", child], start_new_session=True)
with open("family", "w") as file:
    file.write(f"{os.getpid()} {kept.pid} {away.pid}")
os.rename("family", sys.argv[1])
if sys.argv[2:] != ["leave"]:
    time.sleep(600)
"""
"""Program that starts a child in its session and one in another, and writes the three process ids to its argument."""


def command(name: str, *parts: str) -> tuple[str, str]:
    """Return the option of a test command."""
    return "--test", f"{name}={shlex.join(parts)}"


def family(proof: Path) -> list[int]:
    """Return the processes of a test that has started them, and forget the proof."""
    eventually(proof.exists)
    found = [int(each) for each in proof.read_text().split()]
    proof.unlink()
    return found
