"""The only code that knows Kopf: it hands what the watch says to the engine."""
