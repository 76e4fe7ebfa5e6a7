"""The figure: which digits a model takes for which."""

from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

import sematic
from sematic.examples.digits.classifiers import Evaluation


@sematic.func
def plot_confusion(evaluation: Evaluation) -> Figure:
    """Plot a confusion matrix: all counts off the diagonal are mistakes."""
    figure = Figure(figsize=(6, 5.5), layout="constrained")
    axes = figure.subplots()
    ConfusionMatrixDisplay(evaluation.confusion).plot(ax=axes, cmap="Blues", colorbar=False)
    axes.set_title(f"{evaluation.model.name}: {evaluation.accuracy:.1%} right")
    axes.set_xlabel("read as")
    axes.set_ylabel("digit in the image")
    return figure
