"""Models in files and on other backends: what is loaded is what was saved."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from tiny import (
    ARCHITECTURES,
    HEADS,
    ONE_LAYER,
    WITHOUT_DROPOUT,
    assert_equal_outputs,
    inputs_for,
    make_inputs,
    make_model,
    run,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)

ROOT = Path(__file__).parents[2]
CLASSIFIER = "SqueezeBertForSequenceClassification"
CALM = ONE_LAYER.replace(**WITHOUT_DROPOUT)


def python(script, *arguments, **environment):
    """Runs a script in an interpreter of its own."""
    finished = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]


# === .keras


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_keras_file(architecture, tmp_path):
    model, inputs = make_model(architecture, ONE_LAYER), inputs_for(architecture)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    assert loaded.config == model.config
    assert loaded.compiled == model.compiled
    assert_equal_outputs(run(loaded, inputs), run(model, inputs), atol=0)


def test_training_goes_on_where_it_stopped(tmp_path):
    inputs, labels = make_inputs(4, 7), np.array([2, 0, 1, 1])
    model = make_model(CLASSIFIER, CALM)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    for _ in range(3):
        model.train_on_batch(inputs, labels)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert int(loaded.optimizer.iterations) == 3
    expected, actual = (
        [m.train_on_batch(inputs, labels, return_dict=True)["loss"] for _ in range(3)]
        for m in (model, loaded)
    )
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)
    assert expected[2] < expected[0]


@pytest.mark.parametrize("architecture", HEADS)
def test_the_objective_is_saved(architecture, tmp_path):
    model = make_model(architecture, ONE_LAYER)
    model.compile(keras.optimizers.SGD(0.5))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.optimizer, keras.optimizers.SGD)
    assert loaded.get_compile_config() == model.get_compile_config()


def test_loading_warns_of_nothing(tmp_path):
    make_model(CLASSIFIER, ONE_LAYER).save(tmp_path / "model.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert keras.saving.load_model(tmp_path / "model.keras").compiled


def test_dtype_name_and_trainable_are_saved(tmp_path):
    model = make_model(CLASSIFIER, ONE_LAYER, dtype="mixed_bfloat16", name="mine")
    model.trainable = False
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.name == "mine"
    assert loaded.dtype_policy.name == "mixed_bfloat16"
    assert loaded.output.dtype == "bfloat16"
    assert not loaded.trainable


def test_cloned_model():
    model = make_model(CLASSIFIER, ONE_LAYER)
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    inputs = make_inputs(2, 7)
    assert_equal_outputs(run(copy, inputs), run(model, inputs), atol=0)


LOAD = """
import sys
import keras, keras_squeezebert
import numpy as np

folder = sys.argv[1]
for architecture in sys.argv[2:]:
    model = keras.saving.load_model(f"{folder}/{architecture}.keras")
    inputs = dict(np.load(f"{folder}/{architecture}-inputs.npz"))
    outputs = model.predict(inputs, verbose=0)
    outputs = outputs if isinstance(outputs, dict) else {"logits": outputs}
    np.savez(f"{folder}/{architecture}-outputs.npz", **outputs)
"""


def test_a_fresh_interpreter_loads_every_class(tmp_path):
    expected = {}
    for architecture in ARCHITECTURES:
        model, inputs = make_model(architecture, ONE_LAYER), inputs_for(architecture)
        model.save(tmp_path / f"{architecture}.keras")
        np.savez(tmp_path / f"{architecture}-inputs.npz", **inputs)
        expected[architecture] = run(model, inputs)
    python(LOAD, tmp_path, *ARCHITECTURES)
    for architecture, outputs in expected.items():
        with np.load(tmp_path / f"{architecture}-outputs.npz") as found:
            assert_equal_outputs(dict(found), outputs)


# === Other backends

TRAIN = """
import sys
import keras
import numpy as np
from keras_squeezebert import SqueezeBertForSequenceClassification

folder = sys.argv[1]
assert keras.backend.backend() == sys.argv[2]
model = SqueezeBertForSequenceClassification.from_pretrained(folder)
inputs = dict(np.load(f"{folder}/inputs.npz"))
np.save(f"{folder}/before.npy", model.predict(inputs, verbose=0))
labels = np.array([2, 0, 1, 1])
model.compile(keras.optimizers.SGD(0.1))
loss = model.fit(inputs, labels, batch_size=4, verbose=0).history["loss"]
np.save(f"{folder}/loss.npy", loss)
np.save(f"{folder}/after.npy", model.predict(inputs, verbose=0))
model.save_pretrained(f"{folder}/back")
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends(backend, tmp_path):
    """A forward pass, a step of training and a save, equal to TensorFlow's."""
    pytest.importorskip(backend)
    model = make_model(CLASSIFIER, CALM)
    inputs, labels = make_inputs(4, 7), np.array([2, 0, 1, 1])
    model.save_pretrained(tmp_path)
    np.savez(tmp_path / "inputs.npz", **inputs)
    python(TRAIN, tmp_path, backend, KERAS_BACKEND=backend)

    before = {"logits": np.load(tmp_path / "before.npy")}
    assert_equal_outputs(before, run(model, inputs))
    model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    loss = model.train_on_batch(inputs, labels, return_dict=True)["loss"]
    assert float(np.load(tmp_path / "loss.npy")[0]) == pytest.approx(loss, abs=1e-5)
    after = run(model, inputs)
    assert_equal_outputs({"logits": np.load(tmp_path / "after.npy")}, after, 1e-4)
    back = type(model).from_pretrained(tmp_path / "back")
    assert_equal_outputs(run(back, inputs), after, 1e-4)
