"""Names and shapes of the resources and of the wire; imports nothing of the operator."""
