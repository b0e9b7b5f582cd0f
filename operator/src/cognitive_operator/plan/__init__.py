"""Pure decisions: the next step for an object, from its spec and from observed facts."""
