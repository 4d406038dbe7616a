"""Completion in shells: the scripts, and what they suggest."""
