"""Fine-tuning follows its schedule and learns."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForSequenceClassification,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.data import TextExamples
from keras_squeezebert.errors import InputError
from keras_squeezebert.training import fine_tune, text_batches
from keras_squeezebert.training.start import start_classifier

CONFIG = SqueezeBertConfig(
    hidden_size=32,
    num_hidden_layers=1,
    num_attention_heads=4,
    intermediate_size=64,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    id2label={0: "bad", 1: "good"},
)
EXAMPLES = TextExamples(["lovely film", "dull film"] * 20, ["good", "bad"] * 20)


class Rates(keras.callbacks.Callback):
    """The learning rate of every step."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def on_train_batch_begin(self, batch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))


@pytest.fixture(scope="module")
def tuned():
    keras.utils.set_random_seed(0)
    model = SqueezeBertForSequenceClassification(CONFIG)
    tokenizer = SqueezeBertTokenizerFast()
    train = text_batches(EXAMPLES, tokenizer, CONFIG, batch_size=4, shuffle_seed=0)
    rates = Rates()
    history = fine_tune(
        model,
        train,
        train,
        epochs=10,
        learning_rate=3e-3,
        warmup_ratio=0.25,
        callbacks=[rates],
        verbose=0,
    )
    return model, history.history, rates.rates


def test_it_learns(tuned):
    _, history, _ = tuned
    assert history["val_accuracy"][-1] == 1.0
    assert history["loss"][-1] < 0.5 * history["loss"][0]


def test_the_rate_rises_on_a_line_and_falls_on_a_cosine(tuned):
    _, _, rates = tuned
    steps, warmup = 100, 25
    assert len(rates) == steps
    expected = [
        step / warmup
        if step < warmup
        else 0.5 * (1 + np.cos(np.pi * (step - warmup) / (steps - warmup)))
        for step in range(steps)
    ]
    np.testing.assert_allclose(rates, 3e-3 * np.array(expected), rtol=1e-4, atol=1e-9)


def test_biases_and_layer_norms_do_not_decay(tuned):
    model, _, _ = tuned
    optimizer = model.optimizer
    assert optimizer.global_clipnorm == 1.0
    spared = {
        v.path.rsplit("/", 1)[-1]
        for v in model.trainable_variables
        if not optimizer._use_weight_decay(v)
    }
    assert spared == {"bias", "gamma", "beta"}


def test_a_dataset_of_unknown_length():
    dataset = tf.data.Dataset.from_tensors(0).repeat()
    with pytest.raises(InputError, match=r"known length.*Received: cardinality=-1"):
        fine_tune(SqueezeBertForSequenceClassification(CONFIG), dataset)


# === Where to start


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tuned):
    folder = tmp_path_factory.mktemp("model")
    tuned[0].save_pretrained(folder)
    SqueezeBertTokenizerFast().save_pretrained(folder)
    return folder


def test_start_keeps_the_labels_it_knows(saved, tuned):
    model, _ = start_classifier(["good", "good"] + ["bad"], saved)
    assert model.config == tuned[0].config
    assert model.load_report.initialized == {}


def test_start_with_other_labels_begins_a_new_head(saved, tuned):
    model, _ = start_classifier(["bad", "fair"], saved)
    assert model.config.id2label == {0: "bad", 1: "fair"}
    # Two labels again: the old head fits in shape, and means something else.
    old = np.asarray(tuned[0].classifier.kernel)
    assert not np.array_equal(np.asarray(model.classifier.kernel), old)
    assert list(model.load_report.initialized) == [
        "classifier/kernel",
        "classifier/bias",
    ]


def test_start_with_more_labels(saved):
    model, _ = start_classifier(["a", "b", "c"], saved)
    assert model.config.num_labels == 3
    assert list(model.load_report.initialized) == [
        "classifier/kernel",
        "classifier/bias",
    ]
