"""Tables of the project's pages."""


def cells(line: str) -> list[str]:
    """Return the texts of a table row's cells."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
