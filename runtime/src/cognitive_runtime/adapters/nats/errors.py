"""Errors of calls to the broker."""


class TransientBrokerError(Exception):
    """The call failed and may succeed later. Retry with the same message."""


class BrokerUnavailable(TransientBrokerError):
    """No connection, no answer in time, or no responder for the stream."""


class StreamFull(TransientBrokerError):
    """The stream or its storage is full. It accepts messages again after old ones expire or the limit is raised."""


class PermanentBrokerError(Exception):
    """The broker refused the message and will refuse it again."""


class WrongLastSequence(PermanentBrokerError):
    """The subject already has a message, although none was expected."""
