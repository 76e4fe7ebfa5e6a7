"""The figures: what the model goes by, and how well it tells the two kinds apart."""

import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import RocCurveDisplay

import sematic


@sematic.func
def plot_weights(weights: pd.DataFrame) -> Figure:
    """The heaviest features: to the right what speaks for a malignant tumour."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    heaviest = weights.head(10).iloc[::-1]
    colours = heaviest["weight"].gt(0).map({True: "firebrick", False: "steelblue"})
    axes.barh(heaviest["feature"], heaviest["weight"], color=colours)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_title("What speaks for a malignant tumour (red), and against it")
    axes.set_xlabel("weight in the model")
    return figure


@sematic.func
def plot_roc(predictions: pd.DataFrame) -> Figure:
    """How many malignant tumours are found at the price of how many false alarms."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    RocCurveDisplay.from_predictions(
        *(predictions["malignant"], predictions["probability"]),
        name="logistic regression",
        ax=axes,
        plot_chance_level=True,
    )
    axes.set_title("Tumours found, at the price of false alarms")
    axes.set_xlabel("share of benign tumours taken for malignant ones")
    axes.set_ylabel("share of malignant tumours found")
    return figure
