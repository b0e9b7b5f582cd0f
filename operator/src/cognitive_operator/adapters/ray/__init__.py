"""Ray's Jobs API."""
