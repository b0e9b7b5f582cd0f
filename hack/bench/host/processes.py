"""CPU time and memory of processes, from /proc."""

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
QUIET_SHARE = 0.2
"""Share of one core below which processes count as quiet: an idle API server takes up to a tenth."""
POLL_S = 1.0


@dataclass(frozen=True)
class Process:
    """A running process."""

    pid: int
    parent: int
    cpu_s: float
    """CPU time in user and system mode, with that of its children that have ended."""
    rss_mb: float
    command: str


def running_processes(proc: Path = Path("/proc")) -> dict[int, Process]:
    """Return all processes by process id."""
    found = {}
    for folder in proc.iterdir():
        if folder.name.isdigit() and (process := _read(folder)) is not None:
            found[process.pid] = process
    return found


def tree(processes: Mapping[int, Process], root: int) -> list[Process]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    found, open_pids = [], [root]
    while open_pids:
        pid = open_pids.pop()
        if pid in processes:
            found.append(processes[pid])
        open_pids += children.get(pid, [])
    return found


@dataclass(frozen=True)
class Component:
    """A part of the system: the processes below ``pid`` whose command line satisfies ``is_part``."""

    name: str
    pid: int
    is_part: Callable[[str], bool] = lambda _: True


def cpu_seconds(components: list[Component]) -> Counter[str]:
    """Return the CPU time of each component so far."""
    return Counter({each.name: sum(process.cpu_s for process in _parts(each)) for each in components})


def resident_mb(component: Component) -> float:
    """Return the resident memory of a component in MB.

    Raises:
        RuntimeError: No process of the component runs.
    """
    parts = _parts(component)
    if not parts:
        raise RuntimeError(f"{component.name}: no process runs below process {component.pid}")
    return sum(process.rss_mb for process in parts)


def idle_rates(components: list[Component], seconds: float) -> Counter[str]:
    """Return the cores that each component takes now, as the mean over some seconds."""
    before = cpu_seconds(components)
    time.sleep(seconds)
    now = cpu_seconds(components)
    return Counter({name: max(0.0, now[name] - before[name]) / seconds for name in now})


def wait_until_quiet(components: list[Component], timeout_s: float, idle: float = 0.0) -> bool:
    """Wait until the components together take less than QUIET_SHARE of a core; False after ``timeout_s``.

    ``idle`` is the number of cores that they take without work, which does not count.
    """
    deadline = time.monotonic() + timeout_s
    before = cpu_seconds(components).total()
    while time.monotonic() < deadline:
        time.sleep(POLL_S)
        now = cpu_seconds(components).total()
        if now - before < (QUIET_SHARE + idle) * POLL_S:
            return True
        before = now
    return False


def _parts(component: Component) -> list[Process]:
    return [each for each in tree(running_processes(), component.pid) if component.is_part(each.command)]


def _read(folder: Path) -> Process | None:
    """Return a process, None if it has ended."""
    try:
        stat = (folder / "stat").read_text(encoding="latin-1")
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    cpu_s = sum(int(ticks) for ticks in fields[11:15]) / TICKS_PER_SECOND
    rss_mb = int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return Process(int(folder.name), int(fields[1]), cpu_s, rss_mb, command)
