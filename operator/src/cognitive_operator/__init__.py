"""The SeedCore cognitive operator: agents and tasks as Kubernetes resources."""
