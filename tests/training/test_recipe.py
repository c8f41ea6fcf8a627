"""Recipes, against NumPy and PyTorch's own words."""

import keras
import numpy as np
import pytest
from tiny import CONFIG, make_inputs, make_model

from keras_squeezebert.errors import InputError
from keras_squeezebert.models.objectives import SmoothedCrossentropy
from keras_squeezebert.models.optimizer import LayerwiseAdamW, adamw
from keras_squeezebert.training import Recipe


@pytest.mark.parametrize("warmup_ratio", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("decay", ["linear", "cosine"])
def test_the_schedule(decay, warmup_ratio):
    steps = 40
    warmup = int(steps * warmup_ratio)
    recipe = Recipe(learning_rate=2e-3, warmup_ratio=warmup_ratio, decay=decay)
    schedule = recipe.schedule(steps)
    for step in range(steps):
        if step < warmup:
            share = step / warmup
        else:
            done = (step - warmup) / (steps - warmup)
            share = 1 - done if decay == "linear" else (1 + np.cos(np.pi * done)) / 2
        assert float(schedule(step)) == pytest.approx(2e-3 * share, abs=1e-9)
    assert [float(schedule(step)) for step in (steps, steps + 5)] == [0.0, 0.0]


def test_the_schedule_is_saved_and_read():
    schedule = Recipe(decay="cosine").schedule(50)
    again = keras.optimizers.schedules.deserialize(
        keras.optimizers.schedules.serialize(schedule)
    )
    assert [float(again(s)) for s in range(50)] == [
        float(schedule(s)) for s in range(50)
    ]


@pytest.mark.parametrize(
    "number",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"weight_decay": -0.1},
        {"warmup_ratio": 1.5},
        {"decay": "stairs"},
        {"layer_decay": 0.0},
        {"layer_decay": 1.1},
        {"clip_norm": 0.0},
        {"label_smoothing": 2.0},
        {"accumulation_steps": 0},
        {"patience": 0},
        {"seed": -1},
    ],
    ids=str,
)
def test_numbers_out_of_range(number):
    with pytest.raises(InputError, match=f"Received: {next(iter(number))}="):
        Recipe(**number)


# === The rate of each layer


def steps_of_adamw(model, gradients, steps, rate, decay, scale_of):
    """AdamW as its paper has it, in float64, with a rate for each variable."""
    ends = []
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        weight = np.asarray(variable.numpy(), "float64")
        m, v = np.zeros_like(weight), np.zeros_like(weight)
        lr = rate * scale_of(variable.path)
        spared = variable.name in ("bias", "gamma", "beta")
        for step in range(1, steps + 1):
            m = 0.9 * m + 0.1 * gradient
            v = 0.999 * v + 0.001 * gradient**2
            if not spared:
                weight = weight - lr * decay * weight
            m_hat, v_hat = m / (1 - 0.9**step), v / (1 - 0.999**step)
            weight = weight - lr * m_hat / (np.sqrt(v_hat) + 1e-7)
        ends.append(weight)
    return ends


def test_each_layer_has_its_rate():
    model = make_model("SqueezeBertForSequenceClassification", CONFIG)
    rng = np.random.default_rng(0)
    gradients = [
        # None is tiny, where epsilon would matter, which stands elsewhere in Keras.
        rng.choice([-1, 1], v.shape) * (1 + rng.random(v.shape))
        for v in model.trainable_variables
    ]
    scales = {"embeddings": 0.125, "encoder_layer_0": 0.25, "encoder_layer_1": 0.5}

    def scale_of(path):
        return scales.get(path.split("/")[0], 1.0)

    assert {scale_of(v.path) for v in model.trainable_variables} == {
        *scales.values(),
        1,
    }
    expected = steps_of_adamw(model, gradients, 3, 0.01, 0.3, scale_of)
    # Gradients are not clipped: their norm is not the subject.
    optimizer = adamw(0.01, 0.3, layer_decay=0.5, global_clipnorm=None)
    for _ in range(3):
        optimizer.apply(
            [keras.ops.convert_to_tensor(g, "float32") for g in gradients],
            model.trainable_variables,
        )
    for variable, weight in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(
            variable.numpy(), weight, rtol=2e-5, atol=2e-6, err_msg=variable.path
        )


def test_a_decay_of_one_is_adamw():
    def ends(optimizer):
        model = make_model("SqueezeBertForTokenClassification", CONFIG)
        model.compile(optimizer)
        inputs = make_inputs(4, 9, config=CONFIG)
        model.fit(inputs, np.ones((4, 9), int), epochs=2, verbose=0)
        return model.get_weights()

    keras.utils.set_random_seed(1)
    plain = ends(keras.optimizers.AdamW(1e-3, weight_decay=0.1))
    keras.utils.set_random_seed(1)
    layerwise = ends(LayerwiseAdamW(1e-3, layer_decay=1.0, weight_decay=0.1))
    for one, other in zip(plain, layerwise, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_optimizer_is_saved_with_a_model(tmp_path):
    model = make_model("SqueezeBertForSequenceClassification", CONFIG)
    model.compile(Recipe(layer_decay=0.7).optimizer(10))
    inputs = make_inputs(4, 9, config=CONFIG)
    model.fit(inputs, np.zeros(4, int), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").optimizer
    assert again.layer_decay == 0.7
    for one, other in zip(again.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


# === Smoothed labels


def test_labels_are_smoothed_and_left_out():
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((3, 4, 5)).astype("float32")
    labels = rng.integers(5, size=(3, 4))
    labels[0, 1:], labels[2, 0] = -100, -100
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    losses = [
        -(0.8 * log_p[i, j, labels[i, j]] + 0.2 * log_p[i, j].mean())
        for i, j in np.argwhere(labels != -100)
    ]
    loss = SmoothedCrossentropy(0.2, ignore_class=-100)
    assert float(loss(labels, logits)) == pytest.approx(np.mean(losses), rel=1e-6)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert float(again(labels, logits)) == float(loss(labels, logits))
    assert float(loss(np.full((3, 4), -100), logits)) == 0.0
