"""``sematic run examples/digits [options]``."""

import argparse
import tempfile
from pathlib import Path

import sematic
from sematic.examples.digits.classifiers import CLASSIFIERS
from sematic.examples.digits.pipeline import Config, Report, pipeline


def main() -> None:
    """Run the pipeline and print how good each classifier is."""
    options = parse_options()
    config = Config(options.classifiers, options.test_fraction, options.seed)
    runner = (
        sematic.SilentRunner()
        if options.silent
        else sematic.LocalRunner(max_parallelism=options.max_parallelism)
    )
    report = runner.run(pipeline(config))
    print_table(report)
    report.confusion.savefig(options.figure)
    print(f"\nWhich digits it mixes up, as a picture: {options.figure}")


def parse_options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="sematic run examples/digits",
        description="Train classifiers of handwritten digits in parallel and choose the best.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    names = list(CLASSIFIERS)
    parser.add_argument(
        "--classifiers", nargs="+", choices=names, default=names, metavar="NAME", help="which"
    )
    parser.add_argument("--test-fraction", type=float, default=0.5, help="share to judge by")
    parser.add_argument("--seed", type=int, default=0, help="decides how the images are split")
    parser.add_argument("--max-parallelism", type=int, help="how many to train at a time")
    parser.add_argument(
        "--figure", type=Path, default=Path(tempfile.gettempdir(), "digits.png"), help="a file"
    )
    parser.add_argument("--silent", action="store_true", help="in this process, without a record")
    return parser.parse_args()


def print_table(report: Report) -> None:
    """Print the classifiers, the most accurate first."""
    print(f"\n{'classifier':<18}{'accuracy':>9}{'mistakes':>10}")
    for evaluation in sorted(report.evaluations, key=lambda each: -each.accuracy):
        mistakes = evaluation.confusion.sum() - evaluation.confusion.trace()
        mark = "  best" if evaluation.model.name == report.best.model.name else ""
        print(f"{evaluation.model.name:<18}{evaluation.accuracy:>9.1%}{mistakes:>10}{mark}")


if __name__ == "__main__":
    main()
