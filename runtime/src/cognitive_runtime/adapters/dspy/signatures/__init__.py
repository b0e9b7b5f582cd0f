"""Signatures of task types, and the modules, programs and prompts that are made from them."""
