"""Description of the machine and of the measured software."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("cognitive-operator", "cognitive-runtime", "kopf", "ray", "dspy", "nats-py", "openai")
ROOT = Path(__file__).parents[3]
REPORTS = "docs/bench"
"""Tracked folder that ``make bench`` writes."""


def describe_machine() -> dict[str, str | int | float]:
    """Return the CPU, the cores, the memory in GB and the kernel."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0
    return {
        "cpu": cpu_model(_read("/proc/cpuinfo")) or platform.processor() or platform.machine(),
        "cores": cores,
        "memory_gb": round(memory_bytes(_read("/proc/meminfo")) / 1e9, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def package_versions() -> dict[str, str]:
    """Return the versions of the installed packages that matter for the results."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit(root: Path = ROOT) -> str:
    """Return the Git commit, with ``-dirty`` for uncommitted changes in tracked files; ``unknown`` without Git.

    The reports that the benchmark itself writes do not count as changes, so that a run can be continued.
    """
    git = ("git", "-C", str(root))
    found = output_of(*git, "describe", "--always", "--abbrev=12", "--exclude=*")
    if not found:
        return "unknown"
    changes = output_of(*git, "status", "--porcelain", "--untracked-files=no", "--", ".", f":(exclude){REPORTS}")
    return f"{found}-dirty" if changes else found


def program_version(program: str, *arguments: str) -> str:
    """Return the first line that a program prints about its version; ``unknown`` if it cannot be run."""
    return (output_of(program, *arguments).splitlines() or ["unknown"])[0]


def output_of(*command: str) -> str:
    """Return what a command prints, empty if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def cpu_model(cpuinfo: str) -> str:
    """Return the name of the first CPU of /proc/cpuinfo, empty if it has none."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return ""


def memory_bytes(meminfo: str) -> int:
    """Return the total memory of /proc/meminfo, 0 if it does not name it."""
    for line in meminfo.splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
