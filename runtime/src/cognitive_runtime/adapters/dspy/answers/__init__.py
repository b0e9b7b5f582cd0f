"""A model's answer: parsing, repair and validation."""
