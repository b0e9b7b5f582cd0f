"""Implementations of the ports: Kubernetes, NATS, Ray's REST API, model endpoints, telemetry and the clock."""
