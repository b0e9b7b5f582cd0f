"""Pure builders of manifests, requests and Ray submissions."""
