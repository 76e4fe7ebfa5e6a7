"""The command line. Its modules load nothing but click before a command needs more."""

from sematic.cli.group import main

__all__ = ["main"]
