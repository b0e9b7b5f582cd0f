"""Workloads: agents, load patterns, raw Ray jobs and requests without the operator."""
