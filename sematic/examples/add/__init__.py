"""Arithmetic as a pipeline: what futures can do, on small numbers. Needs no packages."""
