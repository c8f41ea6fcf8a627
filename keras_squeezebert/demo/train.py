"""Trains the demo's classifier of intents, in float and then for int8."""

from keras_squeezebert.data import sorted_labels
from keras_squeezebert.hub import SMALL_EN
from keras_squeezebert.models import (
    SqueezeBertForSequenceClassification,
    prune_word_pieces,
)
from keras_squeezebert.quantization.calibrate import calibrate
from keras_squeezebert.quantization.quantize_aware import quantize_aware
from keras_squeezebert.tasks import Evaluation, SequenceClassification
from keras_squeezebert.training import Recipe, batches, fine_tune
from keras_squeezebert.training.start import start_model

SEQUENCE_LENGTH = 32  # tokens; the longest of the training queries has 32
BATCH_SIZE = 64
CALIBRATION_BATCHES = 20
TASK = SequenceClassification()


def train(splits, epochs, seed):
    """A classifier of the intents, from the weights that ship, and its tokenizer."""
    model, tokenizer = start_model(
        SqueezeBertForSequenceClassification,
        sorted_labels(splits["train"].labels),
        SMALL_EN,
    )
    # Pieces that no text uses are never trained, only updated: a good part of the
    # step's time, and most of the file.
    model, tokenizer, _ = prune_word_pieces(model, tokenizer, splits["train"].texts)
    _fit(model, tokenizer, splits, epochs, seed, learning_rate=5e-4)
    return model, tokenizer


def calibrated(model, tokenizer, splits, seed):
    """A copy of the classifier with int8 simulated, its ranges found."""
    quantized = quantize_aware(model, "mixed")
    features = TASK.encode(splits["train"], tokenizer, model.config)
    some = batches(features, batch_size=BATCH_SIZE, seed=seed).take(CALIBRATION_BATCHES)
    calibrate(quantized, some, progress=False)
    return quantized


def train_quantized(quantized, tokenizer, splits, epochs, seed):
    """Trains the weights on, so that they are right once they are rounded."""
    _fit(quantized, tokenizer, splits, epochs, seed, learning_rate=1e-4)


def _fit(model, tokenizer, splits, epochs, seed, learning_rate):
    recipe = Recipe(
        epochs=epochs,
        batch_size=BATCH_SIZE,
        learning_rate=learning_rate,
        decay="cosine",
        label_smoothing=0.1,
        seed=seed,
    )
    train = TASK.encode(splits["train"], tokenizer, model.config)
    validation = Evaluation(TASK, splits["validation"], tokenizer, model.config)
    fine_tune(model, train, validation, recipe)
