"""Tumours told malignant from benign: tables through cleaning, features, a model and plots."""
