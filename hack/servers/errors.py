"""What can go wrong with a server."""


class ServerError(Exception):
    """A server did not start, did not become ready or ended by itself."""


class ServerMissingError(ServerError):
    """The program of a server is not installed; the message says what to install."""
