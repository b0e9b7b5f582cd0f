"""Text that can be written as UTF-8, and its truncation by its size in bytes."""


def clip_utf8(text: str, max_bytes: int) -> str:
    """Return the longest prefix of the text that fits in ``max_bytes`` of UTF-8, without splitting a character."""
    if len(text) * 4 <= max_bytes:
        return text
    encoded = text.encode("utf-8", "replace")
    return text if len(encoded) <= max_bytes else encoded[:max_bytes].decode("utf-8", "ignore")


def valid_utf8(text: str) -> str:
    """Return the text with a question mark in place of each surrogate, which no UTF-8 has.

    Python reads a file name that is not UTF-8 as surrogates.
    """
    return text.encode("utf-8", "replace").decode()
