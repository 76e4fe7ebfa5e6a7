"""The data: 569 tumours measured under a microscope in Wisconsin; scikit-learn brings it."""

from dataclasses import dataclass

import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import sematic


@dataclass(frozen=True)
class Split:
    """Tumours to learn from, and others to judge by."""

    train: pd.DataFrame
    test: pd.DataFrame


@sematic.func
def load() -> pd.DataFrame:
    """Load the tumours: 30 measurements each, and in ``target`` what it was (0: malignant)."""
    frame: pd.DataFrame = load_breast_cancer(as_frame=True).frame
    return frame


@sematic.func
def clean(raw: pd.DataFrame) -> pd.DataFrame:
    """Names without spaces, words instead of numbers, every tumour whole and only once."""
    frame = raw.rename(columns=lambda name: name.replace(" ", "_"))
    frame["malignant"] = frame.pop("target") == 0
    return frame.dropna().drop_duplicates().reset_index(drop=True)


@sematic.func
def split(frame: pd.DataFrame, test_fraction: float, seed: int) -> Split:
    """Set a fraction of the tumours aside, the same share of each kind."""
    train, test = train_test_split(
        frame, test_size=test_fraction, random_state=seed, stratify=frame["malignant"]
    )
    return Split(train, test)
