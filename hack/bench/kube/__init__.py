"""Objects of the workloads in the Kubernetes API, and the writes in its audit log."""
