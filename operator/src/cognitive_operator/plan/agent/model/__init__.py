"""Model of an agent: its model server, its learnt behaviour, and the circuit breaker of the agent's queue."""
