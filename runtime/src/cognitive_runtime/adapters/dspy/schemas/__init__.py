"""JSON Schemas of outputs, in the forms that model servers accept."""
