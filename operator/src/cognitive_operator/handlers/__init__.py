"""Kopf handlers, which pass watch events to the engine. No other layer than this and ``bootstrap`` imports Kopf."""
