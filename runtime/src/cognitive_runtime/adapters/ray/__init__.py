"""Ray: the executor's worker actors, and the executor class for a single agent."""
