"""Commands of ``python -m cognitive_operator``."""
