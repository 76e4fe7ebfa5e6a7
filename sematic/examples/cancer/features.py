"""What is calculated from the measurements, and which of them are worth having."""

import pandas as pd

import sematic


@sematic.func
def add_features(frame: pd.DataFrame) -> pd.DataFrame:
    """Add how much the worst cells of a tumour differ from its average ones."""
    ratios = {
        f"{name}_spread": frame[f"worst_{name}"] / frame[f"mean_{name}"]
        for name in ("radius", "texture", "smoothness")
    }
    return frame.assign(**ratios)


@sematic.func
def choose_features(frame: pd.DataFrame, highest_correlation: float) -> list[str]:
    """The names of features, those left out that another one before them tells already."""
    correlations = frame.drop(columns="malignant").corr().abs()
    chosen: list[str] = []
    for name in map(str, correlations):
        if (correlations.loc[name][chosen] <= highest_correlation).all():
            chosen.append(name)
    return chosen
