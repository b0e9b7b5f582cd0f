"""Client of NATS JetStream and the ports over it."""
