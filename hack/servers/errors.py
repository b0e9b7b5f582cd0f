"""Errors of servers."""


class ServerError(Exception):
    """A server did not start, did not become ready or exited unexpectedly."""


class ServerMissingError(ServerError):
    """The program of a server is not installed; the message says what to install."""
