"""Status of the cognitive core."""
