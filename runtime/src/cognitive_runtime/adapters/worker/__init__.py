"""A worker: takes requests, executes each attempt at most once, and shows that it lives."""
