"""Trains the demo's classifier of intents."""

from keras_squeezebert.data import sorted_labels
from keras_squeezebert.models import SqueezeBertForSequenceClassification
from keras_squeezebert.models.objectives import SmoothedCrossentropy
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast
from keras_squeezebert.tokenizers.pruning import prune_vocabulary
from keras_squeezebert.training import fine_tune, text_batches
from keras_squeezebert.training.start import small_config

SEQUENCE_LENGTH = 32  # tokens; the longest of the training queries has 32


def train(splits, epochs, seed):
    """A classifier of the intents, trained from scratch, and its tokenizer."""
    # Rows of the embedding table that no text uses would never be trained, only
    # updated: nearly half of the step's time, and most of the file.
    vocabulary = prune_vocabulary(None, splits["train"].texts)
    tokenizer = SqueezeBertTokenizerFast(vocabulary, model_max_length=SEQUENCE_LENGTH)
    config = small_config(
        len(vocabulary),
        sorted_labels(splits["train"].labels),
        max_position_embeddings=SEQUENCE_LENGTH,
        hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.2,
    )
    model = SqueezeBertForSequenceClassification(config)
    settings = {"batch_size": 64, "max_length": SEQUENCE_LENGTH}
    fine_tune(
        model,
        text_batches(
            splits["train"],
            tokenizer,
            config,
            shuffle_seed=seed,
            mask_rate=0.15,
            **settings,
        ),
        text_batches(splits["validation"], tokenizer, config, **settings),
        epochs=epochs,
        learning_rate=1.5e-3,
        loss=SmoothedCrossentropy(0.1),
    )
    return model, tokenizer
