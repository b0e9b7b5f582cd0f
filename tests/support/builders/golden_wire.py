"""Golden messages of the wire, whole or with some fields replaced."""

import json
from pathlib import Path
from typing import Any, Final

WIRE: Final = Path(__file__).parents[2] / "contract" / "wire"


def golden(name: str, **changes: Any) -> bytes:
    """Return the message of a golden file, with some of its fields replaced."""
    content = (WIRE / name).read_bytes()
    return json.dumps(json.loads(content) | changes).encode() if changes else content


def golden_fields(name: str) -> dict[str, Any]:
    """Return the fields of a golden message."""
    found: dict[str, Any] = json.loads((WIRE / name).read_bytes())
    return found
