"""Worker: pulls requests, executes each attempt at most once and keeps a lease."""
