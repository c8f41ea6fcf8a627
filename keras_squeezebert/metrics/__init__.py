"""Metrics: what the field reports of each task, from labels and predictions."""

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
from keras_squeezebert.metrics.table import METRICS, Metric

__all__ = [
    "METRICS",
    "Metric",
    "accuracy",
    "entities",
    "f1",
    "matthews",
    "multi_class_f1",
    "multi_label_f1",
    "pearson_spearman",
    "perplexity",
    "squad",
]
