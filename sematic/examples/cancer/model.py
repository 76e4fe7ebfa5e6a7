"""The model: a logistic regression, and how good it is."""

from dataclasses import dataclass

import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sematic


@dataclass(frozen=True)
class Model:
    """A trained model.

    Attributes:
        features: the columns that it looks at.
    """

    features: list[str]
    estimator: BaseEstimator


@dataclass(frozen=True)
class Evaluation:
    """How good a model is on tumours that it has not seen; all between 0 and 1.

    Attributes:
        accuracy: the share of tumours that it told right.
        recall: the share of malignant tumours that it found.
        area: under the ROC curve; 1.0 is perfect, 0.5 is guessing.
    """

    accuracy: float
    recall: float
    area: float


@sematic.func
def train(frame: pd.DataFrame, features: list[str]) -> Model:
    """Fit the model on the features of a frame."""
    estimator = make_pipeline(StandardScaler(), LogisticRegression())
    return Model(features, estimator.fit(frame[features], frame["malignant"]))


@sematic.func
def predict(model: Model, frame: pd.DataFrame) -> pd.DataFrame:
    """For each tumour the probability that it is malignant, and whether it is."""
    probability = model.estimator.predict_proba(frame[model.features])[:, 1]
    return pd.DataFrame({"probability": probability, "malignant": frame["malignant"]})


@sematic.func
def evaluate(predictions: pd.DataFrame) -> Evaluation:
    """Compare predictions with what the tumours are."""
    truth, guess = predictions["malignant"], predictions["probability"] > 0.5
    return Evaluation(
        accuracy=accuracy_score(truth, guess),
        recall=recall_score(truth, guess),
        area=roc_auc_score(truth, predictions["probability"]),
    )


@sematic.func
def weigh_features(model: Model) -> pd.DataFrame:
    """What the model goes by: the weight of each feature, the heaviest first."""
    weights = model.estimator[-1].coef_[0]
    frame = pd.DataFrame({"feature": model.features, "weight": weights})
    return frame.sort_values("weight", key=abs, ascending=False, ignore_index=True)
