"""Memory of what is wrong at the moment, so that a lasting trouble is logged once and not in a loop."""

import logging


class OngoingErrors:
    """Logs each trouble when it begins or changes, and once more when it is over."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._present: dict[str, str] = {}

    def report(self, topic: str, message: str) -> None:
        """Note what is wrong with ``topic``; logged only if it is news."""
        if self._present.get(topic) == message:
            return
        self._present.pop(topic, None)
        self._present[topic] = message
        self._logger.warning("%s: %s", topic, message)

    def clear(self, topic: str) -> None:
        """Note that ``topic`` is well again."""
        if self._present.pop(topic, None) is not None:
            self._logger.info("%s: well again", topic)

    @property
    def last(self) -> str | None:
        """The newest trouble that is not over."""
        return next(reversed(self._present.values()), None)


def describe(error: BaseException) -> str:
    """Return one line about an error, also for errors without a text (time-outs)."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
