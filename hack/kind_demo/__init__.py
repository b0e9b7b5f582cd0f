"""Demo of the whole system on a Kubernetes cluster with pods: ``make kind-demo``."""
