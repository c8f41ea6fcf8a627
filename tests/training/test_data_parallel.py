"""A training of several devices and processes ends with the weights of one alone."""

import os
import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from tiny import ONE_LAYER, WITHOUT_DROPOUT, make_inputs, make_model
from workers import (
    PROCESSES,
    assert_close,
    ends_of,
    finish,
    start_workers,
    weights_of,
)

from keras_squeezebert.errors import InputError
from keras_squeezebert.tasks import Features
from keras_squeezebert.training import Recipe, data_parallel, fine_tune
from keras_squeezebert.training.data_parallel import Share
from keras_squeezebert.training.session import STATE_FILE

RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=1e-2, clip_norm=0.1, seed=5)
CALM = ONE_LAYER.replace(**WITHOUT_DROPOUT)


def make_features(rows):
    """Rows of every length, of which the tokens that count are unevenly many."""
    rng = np.random.default_rng(0)
    inputs = make_inputs(rows, 9, config=ONE_LAYER)
    lengths = rng.integers(1, 10, rows)
    inputs["attention_mask"] = (np.arange(9) < lengths[:, None]).astype("int32")
    labels = rng.integers(3, size=(rows, 9))
    labels[rng.random((rows, 9)) < 0.5] = -100
    labels[inputs["attention_mask"] == 0] = -100
    labels[:, 0] = 0
    return Features(
        inputs=inputs,
        labels=labels.astype("int32"),
        labels_of_tokens=True,
        rows=np.arange(rows),
    )


def train(config, rows, **options):
    keras.utils.set_random_seed(3)
    model = make_model("SqueezeBertForTokenClassification", config)
    fine_tune(model, make_features(rows), recipe=RECIPE, verbose=0, **options)
    return model.get_weights()


# With dropout, whose noise must be that of the whole batch; without it, and with a last
# batch of 2 rows, which 4 devices cannot share.
CASES = {"even": (ONE_LAYER, 24), "uneven": (CALM, 26)}


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


# === Processes of their own, which have JAX

COMPARED = """
    results = {{name: here.train(*case) for name, case in here.CASES.items()}}
    if share.process == 0:
        here.keras.distribution.set_distribution(None)
        for name, case in here.CASES.items():
            results["alone_" + name] = here.train(*case)
    save("{folder}", share, results)
"""
KILLED = """
    from stop_at import StopAt
    callbacks = [StopAt({step}, here.kill)] if share.process == 1 else []
    weights = here.train(
        *here.CASES["even"], folder="{folder}", save_seconds=0, callbacks=callbacks
    )
    save("{folder}", share, {{"even": weights}})
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("parallel")
    finish(start_workers(__file__, COMPARED, folder=folder))
    return folder


@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_as_one(folder, case):
    alone = weights_of(folder, 0, f"alone_{case}")
    for process in range(PROCESSES):
        assert_close(weights_of(folder, process, case), alone)


def test_they_train_as_tensorflow_does(folder):
    """But for the noise of other kernels, which Adam enlarges in a few weights."""
    received, expected = weights_of(folder, 0, "uneven"), train(*CASES["uneven"])
    for one, other in zip(received, expected, strict=True):
        assert np.median(abs(one - other)) < 1e-4  # a batch more or less: 1e-2


def test_a_killed_worker(folder, tmp_path):
    """The others end; started again, all go on from what the first had saved."""
    codes, _ = ends_of(start_workers(__file__, KILLED, folder=tmp_path, step=5))
    assert codes[1] == -signal.SIGKILL and codes[0] != 0
    assert (tmp_path / STATE_FILE).exists()
    finish(start_workers(__file__, KILLED, folder=tmp_path, step=-1))
    expected = weights_of(folder, 0, "even")
    for process in range(PROCESSES):
        assert_close(weights_of(tmp_path, process, "even"), expected, 1e-6)


# === What a process gets


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("rows", [6, 12])
def test_shares_are_the_batch(processes, rows):
    batch = ({"a": np.arange(rows), "b": np.arange(2 * rows).reshape(rows, 2)},)
    parts = [Share(number, processes, 6).of(batch) for number in range(processes)]
    for name, array in batch[0].items():
        joined = np.concatenate([part[0][name] for part in parts])
        np.testing.assert_array_equal(joined, array)


def test_a_batch_that_cannot_be_shared_is_everyones():
    part = Share(1, 2, 6).of(np.arange(4))
    np.testing.assert_array_equal(part, [0, 1, 2, 3] * 3)


def test_another_backend():
    with pytest.raises(InputError, match="KERAS_BACKEND=tensorflow"):
        data_parallel()


# === tf.distribute

MIRRORED = """
    import sys
    sys.path[:0] = {paths!r}
    import numpy as np
    import tensorflow as tf
    import test_data_parallel as here
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert strategy.num_replicas_in_sync == 2
    with strategy.scope():
        np.savez({path!r}, *here.fit())
        try:
            here.train(*here.CASES["even"])
        except here.InputError as error:
            assert "MirroredStrategy of 2" in str(error), error
        else:
            raise AssertionError("no error")
"""


def fit():
    """Without what replicas do apart: clipping, and labels that do not count."""
    import tensorflow as tf

    model = make_model("SqueezeBertForSequenceClassification", CALM)
    model.compile(keras.optimizers.SGD(0.05), jit_compile=False)
    inputs, labels = make_inputs(16, 7), np.arange(16) % 3
    data = tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(8)
    model.fit(data, epochs=2, shuffle=False, verbose=0)
    return [keras.ops.convert_to_numpy(v.value) for v in model.trainable_variables]


def test_mirrored_replicas_fit_as_one(tmp_path):
    path = str(tmp_path / "weights.npz")
    paths = [os.path.dirname(__file__), *filter(None, sys.path)]
    script = textwrap.dedent(MIRRORED).format(paths=paths, path=path)
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    arrays = np.load(path)
    assert_close([arrays[name] for name in arrays], fit())
