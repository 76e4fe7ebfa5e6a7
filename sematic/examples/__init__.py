"""Examples: ``sematic run examples/digits``, or ``python -m sematic.examples.digits``."""
