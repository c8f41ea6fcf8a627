"""Labelled texts: the container, readers of tables, and the shipped CLINC150."""

from keras_squeezebert.data.clinc150 import OUT_OF_SCOPE, load_clinc150
from keras_squeezebert.data.examples import TextExamples, sorted_labels
from keras_squeezebert.data.tables import read_examples

__all__ = [
    "OUT_OF_SCOPE",
    "TextExamples",
    "load_clinc150",
    "read_examples",
    "sorted_labels",
]
