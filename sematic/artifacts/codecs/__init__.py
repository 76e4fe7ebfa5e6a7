"""One module per kind of value: plain values are text, all others Arrow data."""
