"""Queues, fair shares and dependencies of tasks: pure state."""
