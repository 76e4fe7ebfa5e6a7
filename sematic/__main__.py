"""``python -m sematic``: the command line, where its script is not on the path."""

from sematic.cli import main

if __name__ == "__main__":
    main()
