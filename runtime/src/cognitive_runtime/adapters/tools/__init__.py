"""Tools of attempts: MCP servers by URL, and files of a workspace. No program of a custom resource is started."""
