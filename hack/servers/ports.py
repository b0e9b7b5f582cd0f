"""Free TCP ports."""

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

FIRST_PORT, LAST_PORT = 20000, 32000
"""Below Linux's range of ephemeral ports, so that no outgoing connection takes a port before its server starts or while
it restarts."""

_allocated: set[int] = set()
"""Ports that this process has already allocated; their servers may not listen yet."""


def free_ports(count: int) -> list[int]:
    """Return unused TCP ports of 127.0.0.1, each only once per process.

    Other processes of this user that call this function get none of them before this process ends.
    """
    found: list[int] = []
    for port in random.sample(range(FIRST_PORT, LAST_PORT), LAST_PORT - FIRST_PORT):
        if len(found) == count:
            break
        if port not in _allocated and _is_free(port) and _is_reserved(port):
            found.append(port)
    _allocated.update(found)
    return found


def _is_reserved(port: int) -> bool:
    """Reserve a port until this process ends; False if another process has reserved it."""
    try:
        fcntl.lockf(_lock_file(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _lock_file() -> int:
    """Return the descriptor of a file with a byte for each port; no process inherits its locks."""
    path = Path(tempfile.gettempdir()) / f"cognitive-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
