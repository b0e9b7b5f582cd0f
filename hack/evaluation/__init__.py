"""Evaluation of prompts and models: small cases with checked answers, run through the cognitive core."""
