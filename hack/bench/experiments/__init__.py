"""The experiments: each module makes those of one subject."""
