"""What sematic costs: ``python -m benchmarks``, or one part: ``python -m benchmarks.inline``."""
