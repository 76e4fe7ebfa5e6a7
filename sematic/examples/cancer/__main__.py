"""``sematic run examples/cancer [options]``."""

import argparse
import tempfile
from pathlib import Path

import sematic
from sematic.examples.cancer.pipeline import Config, Report, pipeline


def main() -> None:
    """Run the pipeline and print how good the model is and what it goes by."""
    options = parse_options()
    config = Config(options.test_fraction, options.highest_correlation, options.seed)
    runner = sematic.SilentRunner() if options.silent else sematic.LocalRunner()
    report = runner.run(pipeline(config))
    print_report(report)
    save_figures(report, options.figures)


def parse_options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="sematic run examples/cancer",
        description="Learn to tell malignant tumours from benign ones.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--test-fraction", type=float, default=0.3, help="share to judge by")
    parser.add_argument(
        "--highest-correlation", type=float, default=0.9, help="most that two features may have"
    )
    parser.add_argument("--seed", type=int, default=0, help="decides how tumours are split")
    parser.add_argument(
        "--figures", type=Path, default=Path(tempfile.gettempdir()), help="a directory"
    )
    parser.add_argument("--silent", action="store_true", help="keep no record")
    return parser.parse_args()


def print_report(report: Report) -> None:
    """Print the model's marks and its heaviest features."""
    print(f"\naccuracy                {report.evaluation.accuracy:.1%}")
    print(f"malignant tumours found {report.evaluation.recall:.1%}")
    print(f"area under ROC curve    {report.evaluation.area:.3f}\n")
    print(report.weights.head(5).to_string(index=False, float_format="{:+.2f}".format))


def save_figures(report: Report, directory: Path) -> None:
    """Save both figures and say where."""
    print()
    for name in ("weights", "roc"):
        path = directory / f"cancer-{name}.png"
        getattr(report, f"{name}_figure").savefig(path)
        print(f"figure: {path}")


if __name__ == "__main__":
    main()
