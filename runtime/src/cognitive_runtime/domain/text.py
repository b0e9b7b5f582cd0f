"""Truncation of text by its size in bytes."""


def clip_utf8(text: str, max_bytes: int) -> str:
    """Return the longest prefix of the text that fits in ``max_bytes`` of UTF-8, without splitting a character."""
    if len(text) * 4 <= max_bytes:
        return text
    encoded = text.encode("utf-8", "replace")
    return text if len(encoded) <= max_bytes else encoded[:max_bytes].decode("utf-8", "ignore")
