"""Prometheus and OpenTelemetry."""
