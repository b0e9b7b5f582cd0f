"""The executor of cognitive tasks that runs inside Ray."""
