"""Log of deletions on the broker."""

import logging

logger = logging.getLogger(__name__)


def log_deletion(name: str, reason: str) -> None:
    """Log that an object was deleted from the broker, and the reason, with the list, read or event that proves it."""
    logger.info("deleted from the broker", extra={"object": name, "reason": reason})
