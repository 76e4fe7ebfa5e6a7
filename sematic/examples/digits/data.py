"""The data: 1,797 images of handwritten digits, 8 by 8 pixels each, that scikit-learn brings."""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import sematic


@dataclass(frozen=True)
class Digits:
    """Images and what they show.

    Attributes:
        images: a row of 64 pixels for each image; 0 is white, 16 is black.
        labels: the digit, 0 to 9, that each image shows.
    """

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Split:
    """Images to learn from, and others to judge by."""

    train: Digits
    test: Digits


@sematic.func
def load() -> Digits:
    """Load all images."""
    bunch = load_digits()
    return Digits(bunch.data, bunch.target)


@sematic.func
def split(digits: Digits, test_fraction: float, seed: int) -> Split:
    """Set a fraction of the images aside, the same share of each digit."""
    train_images, test_images, train_labels, test_labels = train_test_split(
        digits.images,
        digits.labels,
        test_size=test_fraction,
        random_state=seed,
        stratify=digits.labels,
    )
    return Split(Digits(train_images, train_labels), Digits(test_images, test_labels))
