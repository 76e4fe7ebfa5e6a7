"""The classifiers: their settings, and how they are trained, evaluated and compared."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import sematic
from sematic.examples.digits.data import Digits

CLASSIFIERS: dict[str, BaseEstimator] = {
    "support-vectors": SVC(C=10, gamma=0.001),
    "neighbours": KNeighborsClassifier(n_neighbors=3),
    "forest": RandomForestClassifier(n_estimators=200, random_state=0),
    "regression": make_pipeline(StandardScaler(), LogisticRegression()),
    "bayes": GaussianNB(),
}
"""What there is to choose from, by name; not trained yet."""


@dataclass(frozen=True)
class Model:
    """A trained classifier."""

    name: str
    estimator: BaseEstimator


@dataclass(frozen=True)
class Evaluation:
    """How good a model is on images that it has not seen.

    Attributes:
        accuracy: the share of images, 0 to 1, that it told right.
        confusion: 10 by 10 counts; a row for each digit shown, a column for each digit seen.
    """

    model: Model
    accuracy: float
    confusion: np.ndarray


@sematic.func(standalone=True)
def train(name: str, digits: Digits) -> Model:
    """Train the classifier of this name, in a process of its own."""
    return Model(name, CLASSIFIERS[name].fit(digits.images, digits.labels))


@sematic.func
def evaluate(model: Model, digits: Digits) -> Evaluation:
    """Let a model read images and compare with what they show."""
    seen = model.estimator.predict(digits.images)
    return Evaluation(
        model=model,
        accuracy=accuracy_score(digits.labels, seen),
        confusion=confusion_matrix(digits.labels, seen),
    )


@sematic.func
def choose_best(evaluations: list[Evaluation]) -> Evaluation:
    """The most accurate one; of equal ones the first."""
    return max(evaluations, key=lambda evaluation: evaluation.accuracy)
