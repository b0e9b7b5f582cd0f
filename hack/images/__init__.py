"""Builds the images of the operator and the runtime and checks their size."""
