"""Training: from features to batches, and by a recipe to a fine-tuned model."""

from keras_squeezebert.training.batches import batches, text_batches
from keras_squeezebert.training.data_parallel import data_parallel
from keras_squeezebert.training.fine_tune import fine_tune
from keras_squeezebert.training.own_pairs import own_pairs
from keras_squeezebert.training.recipe import Recipe

__all__ = [
    "Recipe",
    "batches",
    "data_parallel",
    "fine_tune",
    "own_pairs",
    "text_batches",
]
