"""One call of the model: DSPy's adapter and engines, and the limits of an attempt."""
