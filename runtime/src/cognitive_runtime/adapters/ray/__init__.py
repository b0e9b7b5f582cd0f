"""Ray: worker actors of an executor, and the executor class of a single agent."""
