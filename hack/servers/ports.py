"""Free TCP ports."""

import random
import socket

FIRST_PORT, LAST_PORT = 20000, 32000
"""Below Linux's range of ephemeral ports, so that no outgoing connection takes a port before its server starts or while
it restarts."""

_allocated: set[int] = set()
"""Ports that this process has already allocated; their servers may not listen yet."""


def free_ports(count: int) -> list[int]:
    """Return unused TCP ports of 127.0.0.1, each only once per process."""
    found: list[int] = []
    for port in random.sample(range(FIRST_PORT, LAST_PORT), LAST_PORT - FIRST_PORT):
        if len(found) == count:
            break
        if port not in _allocated and _is_free(port):
            found.append(port)
    _allocated.update(found)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
