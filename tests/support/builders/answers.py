"""An answer of a model that the schema of its task type takes."""

from typing import Any, Final

GOOD: Final[dict[str, Any]] = {"thought": "t", "proposed_solution": "p", "confidence_score": 0.5}
"""Answer to a failure analysis."""
