"""An attempt, its agent, and the subject of its request."""

from cognitive_operator.api import names
from cognitive_operator.api.names import AttemptKey

AGENT = "7d3f7b1e-0c55-4a55-9d0e-1f0b6a1c2d3e"
KEY = AttemptKey(AGENT, "0b9c6f0a-2f5e-4f0e-8a6b-9b7d1c2e3f4a", 1)
SUBJECT = names.request_subject("default", KEY)
