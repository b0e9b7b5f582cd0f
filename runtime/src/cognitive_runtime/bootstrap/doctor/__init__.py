"""Doctor: checks everything that an executor needs, and reports problems with their remedies."""
