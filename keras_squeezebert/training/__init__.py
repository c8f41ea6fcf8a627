"""Training: from examples to batches, and from batches to a fine-tuned model."""

from keras_squeezebert.training.batches import text_batches, token_batches
from keras_squeezebert.training.fine_tune import fine_tune

__all__ = ["fine_tune", "text_batches", "token_batches"]
