"""MCP server with tools for files, git and tests, for a sidecar."""
