"""The pipeline: from measurements to a model, and what to think of it."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

import sematic
from sematic.examples.cancer.data import clean, load, split
from sematic.examples.cancer.features import add_features, choose_features
from sematic.examples.cancer.figures import plot_roc, plot_weights
from sematic.examples.cancer.model import (
    Evaluation,
    evaluate,
    predict,
    train,
    weigh_features,
)


@dataclass(frozen=True)
class Config:
    """What to run.

    Attributes:
        test_fraction: the share of tumours, between 0 and 1, to judge by.
        highest_correlation: of two features that correlate more, the second is left out.
        seed: decides which tumours are judged by.
    """

    test_fraction: float = 0.3
    highest_correlation: float = 0.9
    seed: int = 0


@dataclass(frozen=True)
class Report:
    """What came of it."""

    evaluation: Evaluation
    weights: pd.DataFrame
    weights_figure: Figure
    roc_figure: Figure


@sematic.func
def pipeline(config: Config) -> Report:
    """Learn to tell malignant tumours from benign ones."""
    tumours = split(add_features(clean(load())), config.test_fraction, config.seed)
    features = choose_features(tumours.train, config.highest_correlation)
    model = train(tumours.train, features)
    predictions = predict(model, tumours.test)
    weights = weigh_features(model)
    return Report(
        evaluation=evaluate(predictions),
        weights=weights,
        weights_figure=plot_weights(weights),
        roc_figure=plot_roc(predictions),
    )
