"""Fine-tuning follows its recipe, learns, and keeps the best."""

import dataclasses
import gc
import weakref

import keras
import numpy as np
import pytest
from tiny import ONE_LAYER, WITHOUT_DROPOUT, make_model

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForSequenceClassification,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.data import TextExamples
from keras_squeezebert.errors import InputError
from keras_squeezebert.tasks import (
    Evaluation,
    Features,
    QuestionAnswering,
    SequenceClassification,
)
from keras_squeezebert.tasks.masking import Masking
from keras_squeezebert.training import Recipe, fine_tune
from keras_squeezebert.training.start import start_model

CONFIG = SqueezeBertConfig(
    hidden_size=32,
    num_hidden_layers=1,
    num_attention_heads=4,
    intermediate_size=64,
    **WITHOUT_DROPOUT,
    id2label={0: "bad", 1: "good"},
)
EXAMPLES = TextExamples(["lovely film", "dull film"] * 20, ["good", "bad"] * 20)
TASK = SequenceClassification()


class Rates(keras.callbacks.Callback):
    """The learning rate of every step."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def on_train_batch_begin(self, batch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))


@pytest.fixture(scope="module")
def tokenizer():
    return SqueezeBertTokenizerFast()


@pytest.fixture(scope="module")
def features(tokenizer):
    return TASK.encode(EXAMPLES, tokenizer, CONFIG)


@pytest.fixture(scope="module")
def tuned(tokenizer, features):
    keras.utils.set_random_seed(0)
    model = SqueezeBertForSequenceClassification(CONFIG)
    rates = Rates()
    history = fine_tune(
        model,
        features,
        Evaluation(TASK, EXAMPLES, tokenizer, CONFIG),
        Recipe(epochs=10, batch_size=4, learning_rate=3e-3, warmup_ratio=0.25),
        callbacks=[rates],
        verbose=0,
    )
    return model, history, rates.rates


def test_it_learns(tuned):
    _, history, _ = tuned
    assert len(history) == 10
    assert history[-1]["val_accuracy"] == 1.0
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]


def test_the_rate_rises_and_falls_on_a_line(tuned):
    _, _, rates = tuned
    steps, warmup = 100, 25
    assert len(rates) == steps
    expected = np.interp(range(steps), [0, warmup, steps], [0, 3e-3, 0])
    np.testing.assert_allclose(rates, expected, rtol=1e-4, atol=1e-9)


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


# === What the best epoch is


class Scripted:
    """An evaluation whose scores are given, and which remembers the weights."""

    def __init__(self, scores, name="accuracy"):
        self.scores = iter(scores)
        self.metric = dataclasses.replace(
            TASK.metric(CONFIG), primary=name, direction=DIRECTIONS[name]
        )
        self.weights = []

    def __call__(self, model):
        self.weights.append(model.get_weights())
        return {self.metric.primary: next(self.scores)}


DIRECTIONS = {"accuracy": "max", "perplexity": "min"}


@pytest.mark.parametrize(
    ("name", "scores", "patience", "best", "epochs"),
    [
        ("accuracy", [0.5, 0.7, 0.6, 0.7, 0.2, 0.3], None, 1, 6),
        ("accuracy", [0.5, 0.7, 0.6, 0.7, 0.2, 0.3], 2, 1, 4),
        ("accuracy", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 1, 5, 6),
        ("perplexity", [9.0, 5.0, 7.0, 4.0, 6.0, 4.5], 2, 3, 6),
    ],
)
def test_the_best_epoch_is_restored(features, name, scores, patience, best, epochs):
    model = SqueezeBertForSequenceClassification(CONFIG)
    evaluation = Scripted(scores, name)
    recipe = Recipe(epochs=6, batch_size=8, learning_rate=1e-3, patience=patience)
    history = fine_tune(model, features, evaluation, recipe, verbose=0)
    assert [figures[f"val_{name}"] for figures in history] == scores[:epochs]
    for kept, then in zip(model.get_weights(), evaluation.weights[best], strict=True):
        np.testing.assert_array_equal(kept, then)
    last = evaluation.weights[-1]
    is_last = all(map(np.array_equal, model.get_weights(), last))
    assert is_last == (best == epochs - 1)


# === Recipes


def trained(features, **recipe):
    model = make_model("SqueezeBertForSequenceClassification", CONFIG)
    fine_tune(model, features, recipe=Recipe(**{"epochs": 2, **recipe}), verbose=0)
    return np.concatenate([weights.ravel() for weights in model.get_weights()])


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"decay": "cosine"},
        {"layer_decay": 0.5},
        {"clip_norm": 0.01},
        {"label_smoothing": 0.2},
        {"accumulation_steps": 2},
        {"weight_decay": 0.5},
        {"warmup_ratio": 0.9},
    ],
    ids=str,
)
def test_every_number_of_a_recipe_counts(features, changes):
    numbers = {"batch_size": 8, "learning_rate": 1e-3}
    plain = trained(features, **numbers)
    assert np.array_equal(plain, trained(features, **numbers))
    assert not np.allclose(plain, trained(features, **numbers, **changes), atol=1e-5)


def test_hidden_pieces_are_not_seen(features, tokenizer):
    hiding = Masking(tokenizer, 1.0, mask_share=1.0, random_share=0.0)
    seen = set()

    class Model(SqueezeBertForSequenceClassification):
        def train_step(self, data):
            seen.update(np.unique(data[0]["input_ids"]).tolist())
            return super().train_step(data)

    model = Model(CONFIG)
    model.run_eagerly = True
    compile_model = model.compile
    model.compile = lambda **options: compile_model(**options, run_eagerly=True)
    fine_tune(model, features, recipe=Recipe(epochs=1), hiding=hiding, verbose=0)
    assert seen == {tokenizer.cls_token_id, tokenizer.sep_token_id, 103}


def test_a_model_that_was_trained_can_go(tokenizer, features):
    """Nothing of TensorFlow keeps it, nor what it learnt from and was scored by."""
    model = SqueezeBertForSequenceClassification(CONFIG)
    own = dataclasses.replace(features)
    evaluation = Evaluation(TASK, EXAMPLES, tokenizer, CONFIG)
    fine_tune(model, own, evaluation, Recipe(epochs=1), verbose=0)
    kept = [weakref.ref(part) for part in (model, model.optimizer, own, evaluation)]
    del model, own, evaluation
    gc.collect()
    assert [part() for part in kept] == [None] * 4


# === Bad input


def test_without_labels(features):
    bare = dataclasses.replace(features, labels=None)
    with pytest.raises(InputError, match="40 rows, no labels"):
        fine_tune(SqueezeBertForSequenceClassification(CONFIG), bare)


def test_without_rows():
    none = Features(inputs={}, labels=np.zeros(0), rows=np.zeros(0))
    with pytest.raises(InputError, match="Received: 0 rows"):
        fine_tune(SqueezeBertForSequenceClassification(CONFIG), none)


def test_positions_are_not_smoothed(features):
    model = QuestionAnswering().model_class(ONE_LAYER)
    with pytest.raises(InputError, match=r"label_smoothing=0.1 for a .*QuestionAnswer"):
        fine_tune(model, features, recipe=Recipe(label_smoothing=0.1))


def test_a_loss_that_is_not_finite(features, tmp_path):
    recipe = Recipe(learning_rate=1e30, warmup_ratio=0.0, epochs=9, batch_size=4)
    model = SqueezeBertForSequenceClassification(CONFIG)
    with pytest.raises(InputError, match=r"not finite.*learning_rate=1e\+30"):
        fine_tune(model, features, recipe=recipe, folder=tmp_path, verbose=0)
    assert not (tmp_path / "state.safetensors").exists()


# === Where to start


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tuned):
    folder = tmp_path_factory.mktemp("model")
    tuned[0].save_pretrained(folder)
    SqueezeBertTokenizerFast().save_pretrained(folder)
    return folder


def start(labels, source, **options):
    return start_model(SqueezeBertForSequenceClassification, labels, source, **options)


def test_start_keeps_the_labels_it_knows(saved, tuned):
    model, _ = start(["bad", "good"], saved)
    assert model.config == tuned[0].config
    assert model.load_report.initialized == {}


def test_start_with_other_labels_begins_a_new_head(saved, tuned):
    model, _ = start(["bad", "fair"], saved)
    assert model.config.id2label == {0: "bad", 1: "fair"}
    # Two labels again: the old head fits in shape, and means something else.
    old = np.asarray(tuned[0].classifier.kernel)
    assert not np.array_equal(np.asarray(model.classifier.kernel), old)
    assert list(model.load_report.initialized) == [
        "classifier/kernel",
        "classifier/bias",
    ]


@pytest.mark.parametrize(
    ("labels", "problem_type"),
    [
        (["a", "b", "c"], None),
        (["bad", "good"], "multi_label_classification"),
        (["score"], "regression"),
    ],
)
def test_start_of_another_problem(saved, labels, problem_type):
    model, _ = start(labels, saved, problem_type=problem_type)
    assert model.config.num_labels == len(labels)
    assert model.config.problem_type == problem_type
    assert list(model.load_report.initialized) == [
        "classifier/kernel",
        "classifier/bias",
    ]


def test_start_with_one_label():
    with pytest.raises(InputError, match=r"two different labels.*Received: 'good'"):
        start(["good"], None)


def test_start_of_a_short_model(tmp_path):
    short = CONFIG.replace(max_position_embeddings=24)
    SqueezeBertForSequenceClassification(short).save_pretrained(tmp_path)
    SqueezeBertTokenizerFast().save_pretrained(tmp_path)
    model, _ = start(["bad", "good"], tmp_path)
    assert model.config.max_position_embeddings == 24
    with pytest.raises(InputError, match=r"at most 24 tokens. Received: max_length=25"):
        start(["bad", "good"], tmp_path, max_length=25)
