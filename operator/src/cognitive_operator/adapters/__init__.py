"""What the ports are made of: Kubernetes, NATS, Ray's REST API, model endpoints and the clock."""
