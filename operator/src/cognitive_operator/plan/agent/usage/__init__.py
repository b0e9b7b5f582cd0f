"""Usage of an agent and of its variants: counters of tasks, tokens and energy, and the daily token budget."""
