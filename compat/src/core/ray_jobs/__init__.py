"""Ray jobs of agents: domain, use cases and adapters."""
