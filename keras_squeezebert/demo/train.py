"""Trains the demo's classifier of intents, in float and then for int8."""

from keras_squeezebert.data import sorted_labels
from keras_squeezebert.models import SqueezeBertForSequenceClassification
from keras_squeezebert.quantization.calibrate import calibrate
from keras_squeezebert.quantization.quantize_aware import quantize_aware
from keras_squeezebert.tasks import Evaluation, SequenceClassification
from keras_squeezebert.tasks.masking import Masking
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast
from keras_squeezebert.tokenizers.pruning import prune_vocabulary
from keras_squeezebert.training import Recipe, batches, fine_tune
from keras_squeezebert.training.start import scratch_config

SEQUENCE_LENGTH = 32  # tokens; the longest of the training queries has 32
BATCH_SIZE = 64
CALIBRATION_BATCHES = 20
TASK = SequenceClassification()


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
    hiding = Masking.hiding(tokenizer, 0.15, seed)
    _fit(model, tokenizer, splits, epochs, seed, learning_rate=1.5e-3, hiding=hiding)
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


def _fit(model, tokenizer, splits, epochs, seed, learning_rate, hiding=None):
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
    fine_tune(model, train, validation, recipe, hiding=hiding)
