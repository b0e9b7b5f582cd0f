"""Lines of a log that another process writes."""

from pathlib import Path


def whole_lines(path: Path) -> list[str]:
    """Return the lines of a file without a last one that is not whole yet."""
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1].decode(errors="replace").split("\n")[:-1]
