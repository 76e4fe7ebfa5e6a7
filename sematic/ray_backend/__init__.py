"""Standalone calls on Ray. The only place that imports ``ray``, and only when it is needed."""
