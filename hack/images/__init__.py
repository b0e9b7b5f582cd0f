"""Builds the images of the operator and of the runtime, and tells what they weigh."""
