"""Kubernetes control plane as child processes: etcd, kube-apiserver and kube-controller-manager."""

from controlplane.cluster import ControlPlane
from controlplane.kubectl import Kubectl, KubectlError

__all__ = ["ControlPlane", "Kubectl", "KubectlError"]
