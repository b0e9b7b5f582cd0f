"""NATS JetStream: requests, claims, leases, control messages and responses."""
