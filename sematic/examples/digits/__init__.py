"""Classifiers of handwritten digits, trained in parallel and compared."""
