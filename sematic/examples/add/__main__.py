"""``sematic run examples/add [a b c] [--silent]``."""

import argparse

import sematic
from sematic.examples.add.pipeline import pipeline


def main() -> None:
    """Run the pipeline on three numbers and print what it found out."""
    parser = argparse.ArgumentParser(
        prog="sematic run examples/add",
        description="Add, multiply and divide three numbers, in nested calls.",
    )
    parser.add_argument(
        "numbers", nargs="*", type=int, default=[7, 5, 8], metavar="number", help="three, or none"
    )
    parser.add_argument("--silent", action="store_true", help="keep no record")
    options = parser.parse_args()
    if len(options.numbers) != 3:
        parser.error("give three whole numbers, or none")

    runner = sematic.SilentRunner() if options.silent else sematic.LocalRunner()
    summary = runner.run(pipeline(*options.numbers))

    a, b, c = options.numbers
    print(f"{a} + {b} + {c} = {summary.total:g}, their mean is {summary.mean:.3f}")
    print(f"{a} * {b} = {summary.quotient} * {c} + {summary.remainder}")
    print(f"squares up to {summary.remainder}: {summary.squares}")


if __name__ == "__main__":
    main()
