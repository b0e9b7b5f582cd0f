"""Free TCP ports."""

import random
import socket

FIRST_PORT, LAST_PORT = 20000, 32000
"""Below the range from which Linux takes the ports of outgoing connections: nobody takes one between choice and use,
nor while its server is restarted."""

_given: set[int] = set()
"""What this process was given already: its servers may not listen yet."""


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on."""
    found: list[int] = []
    for port in random.sample(range(FIRST_PORT, LAST_PORT), LAST_PORT - FIRST_PORT):
        if len(found) == count:
            break
        if port not in _given and _is_free(port):
            found.append(port)
    _given.update(found)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
