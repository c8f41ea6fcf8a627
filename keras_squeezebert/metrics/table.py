"""METRICS: the metrics by name, and what of each decides which model is better."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from keras_squeezebert.metrics.classification import (
    accuracy,
    f1,
    matthews,
    multi_class_f1,
    multi_label_f1,
)
from keras_squeezebert.metrics.entities import entities
from keras_squeezebert.metrics.perplexity import perplexity
from keras_squeezebert.metrics.regression import pearson_spearman
from keras_squeezebert.metrics.squad import squad


@dataclass(frozen=True)
class Metric:
    """A metric, and which of its figures tells the better of two models.

    Args:
        compute: A function of labels and predictions that returns figures by name.
        primary: The figure that models are compared by.
        direction: "max" if more of it is better, "min" if less is; the `mode` of
            `keras.callbacks.EarlyStopping`.

    Example:
        >>> metric = METRICS["accuracy"]
        >>> figures = metric.compute([0, 1, 1, 0], [0, 1, 0, 0])
        >>> figures[metric.primary], metric.direction
        (0.75, 'max')
    """

    compute: Callable[..., dict[str, float]]
    primary: str
    direction: Literal["max", "min"] = "max"

    def best(self, scores: Sequence[float]) -> int:
        """Which of several models is the best; of equal ones the first.

        Args:
            scores: The primary figure of each, of one or more. Any is better than nan,
                which a correlation with a constant is.

        Example:
            >>> METRICS["perplexity"].best([math.nan, 20.0, 10.0, 10.0])
            2
        """
        sign = 1 if self.direction == "max" else -1
        ranks = [-math.inf if math.isnan(x) else sign * x for x in scores]
        return ranks.index(max(ranks))


# Shares and correlations are fractions, never percent.
METRICS = {
    # Sequence classification and multiple choice. GLUE's SST-2, MNLI, QNLI, RTE, WNLI.
    "accuracy": Metric(accuracy, "accuracy"),
    "f1": Metric(f1, "f1"),  # MRPC, QQP
    "matthews": Metric(matthews, "matthews"),  # CoLA
    "pearson_spearman": Metric(pearson_spearman, "mean"),  # STS-B
    "multi_class_f1": Metric(multi_class_f1, "f1_macro"),
    "multi_label_f1": Metric(multi_label_f1, "f1_micro"),
    # Token classification.
    "entities": Metric(entities, "f1"),
    # Question answering.
    "squad": Metric(squad, "f1"),
    # Masked LM.
    "perplexity": Metric(perplexity, "perplexity", "min"),
}
