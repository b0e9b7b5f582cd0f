"""Demo of the whole system on this machine: ``make demo``."""
