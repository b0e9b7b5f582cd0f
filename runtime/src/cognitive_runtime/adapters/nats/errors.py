"""What the broker can answer instead of doing what was asked."""


class TransientBrokerError(Exception):
    """The broker cannot do it now: try again with the same message."""


class BrokerUnavailable(TransientBrokerError):
    """No connection, no answer in time, or nobody answers for that stream."""


class StreamFull(TransientBrokerError):
    """The stream or its storage is full; it takes messages again when the operator or time has made room."""


class PermanentBrokerError(Exception):
    """The broker refused, and will refuse the same message again."""


class WrongLastSequence(PermanentBrokerError):
    """The subject already has a message."""
