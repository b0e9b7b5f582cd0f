"""Adapter for MCP servers."""
