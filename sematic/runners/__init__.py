"""Composition roots: they choose adapters and read settings, and contain no logic."""
