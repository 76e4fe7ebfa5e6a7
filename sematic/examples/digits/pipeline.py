"""The pipeline: from images to the best classifier of several."""

from dataclasses import dataclass

from matplotlib.figure import Figure

import sematic
from sematic.examples.digits.classifiers import Evaluation, choose_best, evaluate, train
from sematic.examples.digits.data import load, split
from sematic.examples.digits.figures import plot_confusion


@dataclass(frozen=True)
class Config:
    """What to run.

    Attributes:
        classifiers: names, see :data:`sematic.examples.digits.classifiers.CLASSIFIERS`.
        test_fraction: the share of images, between 0 and 1, to judge by.
        seed: decides which images these are.
    """

    classifiers: list[str]
    test_fraction: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class Report:
    """What came of it: every classifier, the best of them, and which digits it mixes up."""

    evaluations: list[Evaluation]
    best: Evaluation
    confusion: Figure


@sematic.func
def pipeline(config: Config) -> Report:
    """Train several classifiers of handwritten digits in parallel and choose the best."""
    digits = split(load(), config.test_fraction, config.seed)
    models = [train(name, digits.train) for name in config.classifiers]
    evaluations = [evaluate(model, digits.test) for model in models]
    best = choose_best(evaluations)
    return Report(evaluations, best, plot_confusion(best))
