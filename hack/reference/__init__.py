"""Generates files from the CRDs: the API reference, the schedules' task template and the chart's copies."""
