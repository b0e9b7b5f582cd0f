"""Log of lasting errors: one line when an error starts or changes and one when it ends, not one per retry."""

import logging


class OngoingErrors:
    """The present error of each topic, logged when it starts, changes and ends."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._present: dict[str, str] = {}

    def record(self, topic: str, message: str) -> None:
        """Set the error of a topic; it is logged only if it differs from the present one."""
        if self._present.get(topic) == message:
            return
        self._present.pop(topic, None)
        self._present[topic] = message
        self._logger.warning("%s: %s", topic, message)

    def clear(self, topic: str) -> None:
        """Remove the error of a topic; logged if there was one."""
        if self._present.pop(topic, None) is not None:
            self._logger.info("%s: recovered", topic)

    @property
    def latest(self) -> str | None:
        """The newest present error of all topics."""
        return next(reversed(self._present.values()), None)


def describe(error: BaseException) -> str:
    """Return an error's text on one line, or its type's name if it has no text, such as a timeout."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
