"""A TCP relay, for clients that expect a server at a fixed port."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PIECE = 65_536


@contextmanager
def relay(host: str, port: int, to_port: int) -> Iterator[None]:
    """Relay connections to ``host:port`` to a port of 127.0.0.1, until the end."""
    found = _Relay(to_port)
    with socket.create_server((host, port)) as server:
        accepting = threading.Thread(target=found.accept, args=(server,))
        accepting.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        accepting.join()
    found.close()


class _Relay:
    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                upstream = socket.create_connection(("127.0.0.1", self._to_port))
                self._sockets += [client, upstream]
                for pair in ((client, upstream), (upstream, client)):
                    self._threads.append(threading.Thread(target=_copy, args=pair))
                    self._threads[-1].start()

    def close(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
