"""Readers of the files that hold weights, one form of file in each module."""

from keras_squeezebert.converters.readers.stored import StoredTensor
from keras_squeezebert.converters.readers.weights import read_weights

__all__ = ["StoredTensor", "read_weights"]
