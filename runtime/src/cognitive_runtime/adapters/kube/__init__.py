"""CognitiveTasks and CognitiveAgents of a cluster, through the Kubernetes API with the caller's own token."""
