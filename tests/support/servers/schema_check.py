"""Checks a server by its own OpenAPI document with schemathesis."""

import subprocess
import sys
from pathlib import Path
from typing import Final

SEED: Final = "20261127"
EXAMPLES: Final = "5"
"""Random examples of each operation, beside the examples for each keyword of its schemas."""
TIMEOUT_S: Final = 120
"""Time limit on a busy machine. A run takes 10 s of CPU."""


def violations(url: str, token: str, folder: Path) -> str:
    """Return the report of a run that found a violation of the document, and an empty text for none."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
        *("--seed", SEED, "--max-examples", EXAMPLES, "--phases", "examples,coverage,fuzzing", "--no-color"),
        *("--header", f"Authorization: Bearer {token}", "--generation-database", "none"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, cwd=folder, check=False)
    is_clean = done.returncode == 0 and "No issues found" in done.stdout
    return "" if is_clean else done.stdout[-8000:] + done.stderr[-2000:]
