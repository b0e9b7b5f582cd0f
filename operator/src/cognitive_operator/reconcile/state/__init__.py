"""The objects that the operator knows, and the queues of what is to be reconciled."""
