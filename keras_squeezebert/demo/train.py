"""Trains the demo's classifier of intents, in float and then for int8."""

from keras_squeezebert.data import sorted_labels
from keras_squeezebert.models import SqueezeBertForSequenceClassification
from keras_squeezebert.models.objectives import SmoothedCrossentropy
from keras_squeezebert.quantization.calibrate import calibrate
from keras_squeezebert.quantization.quantize_aware import quantize_aware
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast
from keras_squeezebert.tokenizers.pruning import prune_vocabulary
from keras_squeezebert.training import fine_tune, text_batches
from keras_squeezebert.training.start import scratch_config

SEQUENCE_LENGTH = 32  # tokens; the longest of the training queries has 32
SETTINGS = {"batch_size": 64, "max_length": SEQUENCE_LENGTH}
CALIBRATION_BATCHES = 20


def train(splits, epochs, seed):
    """A classifier of the intents, trained from scratch, and its tokenizer."""
    # Rows of the embedding table that no text uses would never be trained, only
    # updated: nearly half of the step's time, and most of the file.
    vocabulary = prune_vocabulary(None, splits["train"].texts)
    tokenizer = SqueezeBertTokenizerFast(vocabulary, model_max_length=SEQUENCE_LENGTH)
    config = scratch_config(
        len(vocabulary),
        sorted_labels(splits["train"].labels),
        max_position_embeddings=SEQUENCE_LENGTH,
        hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.2,
    )
    model = SqueezeBertForSequenceClassification(config)
    # A model that starts from nothing leans on single words, unless some are hidden.
    batches = _batches(splits, tokenizer, config, seed, mask_rate=0.15)
    _fit(model, batches, tokenizer, splits, epochs, learning_rate=1.5e-3)
    return model, tokenizer


def calibrated(model, tokenizer, splits, seed):
    """A copy of the classifier with int8 simulated, its ranges found."""
    quantized = quantize_aware(model, "mixed")
    batches = _batches(splits, tokenizer, model.config, seed)
    calibrate(quantized, batches.take(CALIBRATION_BATCHES), progress=False)
    return quantized


def train_quantized(quantized, tokenizer, splits, epochs, seed):
    """Trains the weights on, so that they are right once they are rounded."""
    batches = _batches(splits, tokenizer, quantized.config, seed)
    _fit(quantized, batches, tokenizer, splits, epochs, learning_rate=1e-4)


def _batches(splits, tokenizer, config, seed, mask_rate=0.0):
    return text_batches(
        splits["train"],
        tokenizer,
        config,
        shuffle_seed=seed,
        mask_rate=mask_rate,
        **SETTINGS,
    )


def _fit(model, batches, tokenizer, splits, epochs, learning_rate):
    validation = text_batches(splits["validation"], tokenizer, model.config, **SETTINGS)
    fine_tune(
        model,
        batches,
        validation,
        epochs=epochs,
        learning_rate=learning_rate,
        loss=SmoothedCrossentropy(0.1),
    )
