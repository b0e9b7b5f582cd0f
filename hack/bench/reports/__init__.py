"""The results file of a run, its statistics, reports, budgets and thresholds."""
