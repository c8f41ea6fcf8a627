"""Pearson's and Spearman's correlation, computed by SciPy."""

import warnings

from numpy.typing import ArrayLike

from keras_squeezebert.errors import InputError
from keras_squeezebert.metrics.checks import check_lengths, number_array


def pearson_spearman(labels: ArrayLike, predictions: ArrayLike) -> dict[str, float]:
    """Both correlations, and their mean, as GLUE has it for STS-B.

    Args:
        labels: A number for each example, two or more.
        predictions: The same of a model.

    Returns:
        `pearson` of the values and `spearman` of their ranks, in [-1, 1], and their
        `mean`. All are nan, as SciPy and GLUE's scripts have it, where the labels or
        the predictions are all the same.

    Raises:
        InputError: Fewer than two, different lengths, or values that are not finite.

    Example:
        >>> figures = pearson_spearman([1.0, 2.0, 3.0], [1.0, 2.0, 9.0])
        >>> {name: round(figure, 3) for name, figure in figures.items()}
        {'pearson': 0.918, 'spearman': 1.0, 'mean': 0.959}
    """
    # Not above: SciPy's statistics take a second to import, as scikit-learn does.
    from scipy import stats

    check_lengths(labels=labels, predictions=predictions)
    labels = number_array("labels", labels)
    predictions = number_array("predictions", predictions)
    if len(labels) < 2:
        raise InputError(
            f"A correlation needs two examples or more. Received: {len(labels)} labels"
        )
    with warnings.catch_warnings():
        # The nan says it.
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        pearson = float(stats.pearsonr(labels, predictions).statistic)
        spearman = float(stats.spearmanr(labels, predictions).statistic)
    return {
        "pearson": pearson,
        "spearman": spearman,
        "mean": (pearson + spearman) / 2,
    }
