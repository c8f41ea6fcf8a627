"""A training that is killed goes on as if it had not been."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import filelock
import keras
import numpy as np
import pytest
from stop_at import StopAt
from tiny import ONE_LAYER, make_inputs, make_model

from keras_squeezebert.errors import InputError
from keras_squeezebert.metrics import METRICS
from keras_squeezebert.tasks import Features
from keras_squeezebert.training import Recipe, fine_tune
from keras_squeezebert.training.session import HISTORY_FILE, STATE_FILE, remove_state

# With dropout, accumulated gradients and a rate for each layer: all that has a state.
RECIPE = Recipe(
    epochs=3,
    batch_size=4,
    learning_rate=1e-2,
    accumulation_steps=2,
    layer_decay=0.8,
    seed=5,
)
STEPS_PER_EPOCH = 7


def make_features():
    inputs = make_inputs(26, 9, config=ONE_LAYER)
    inputs["attention_mask"] = np.tile(np.tri(9, 9, dtype="int32"), (3, 1))[1:]
    inputs["attention_mask"][:, 0] = 1
    labels = np.random.default_rng(0).integers(3, size=(26, 9)).astype("int32")
    return Features(
        inputs=inputs, labels=labels, labels_of_tokens=True, rows=np.arange(26)
    )


class Sum:
    """An evaluation that depends on every weight, and whose best epoch is not last."""

    metric = METRICS["accuracy"]

    def __call__(self, model):
        return {"accuracy": -abs(sum(float(w.sum()) for w in model.get_weights()))}


def train(folder=None, callbacks=(), save_seconds=0.0, features=None, recipe=RECIPE):
    keras.utils.set_random_seed(3)
    model = make_model("SqueezeBertForTokenClassification", ONE_LAYER)
    history = fine_tune(
        model,
        features or make_features(),
        Sum(),
        recipe,
        folder=folder,
        save_seconds=save_seconds,
        callbacks=callbacks,
        verbose=0,
    )
    return model.get_weights(), history


@pytest.fixture(scope="module")
def whole():
    return train()


def assert_same(one, other):
    for weights, others in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(weights, others)
    assert one[1] == other[1]


def test_two_runs_are_one(whole, tmp_path):
    assert_same(whole, train(tmp_path))


@pytest.mark.parametrize("step", [1, 5, 7, 8, 13, 14, 20])
def test_an_interrupt_at_any_step(whole, tmp_path, step):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, [StopAt(step, interrupt)], save_seconds=1e9)
    assert (tmp_path / STATE_FILE).exists() == (step != 7)
    seen = []
    result = train(tmp_path, [StopAt(step + 1, lambda: seen.append(1))])
    assert_same(whole, result)
    if step % STEPS_PER_EPOCH:  # nothing was done twice
        assert seen == [1]
        assert not train_steps_before(tmp_path, step)


def train_steps_before(folder, step):
    """Whether a run that goes on does a step that was done before."""
    seen = []
    train(folder, [StopAt(step, lambda: seen.append(1))])
    return bool(seen)


PATHS = [os.path.dirname(__file__), *filter(None, sys.path)]
KILLED = """
    import os, signal, sys
    sys.path[:0] = {paths!r}
    import test_resume
    def kill():
        os.kill(os.getpid(), signal.SIGKILL)
    test_resume.train({folder!r}, [test_resume.StopAt({step}, kill)])
"""


def run_killed(folder, step):
    script = textwrap.dedent(KILLED).format(paths=PATHS, folder=str(folder), step=step)
    return subprocess.run([sys.executable, "-c", script], capture_output=True)


def test_kill_in_the_middle_of_an_epoch(whole, tmp_path):
    """Twice; the state is saved at every step, and so goes on at the next."""
    for step in (4, 11):
        result = run_killed(tmp_path, step)
        assert result.returncode == -signal.SIGKILL, result.stderr.decode()
    assert not train_finished(tmp_path)
    assert_same(whole, train(tmp_path))


def train_finished(folder):
    return len(read_history(folder)) == RECIPE.epochs


def read_history(folder):
    return (folder / HISTORY_FILE).read_text().splitlines()[1:]


def test_a_finished_training_is_not_done_again(whole, tmp_path):
    train(tmp_path)
    seen = []
    result = train(tmp_path, [StopAt(1, lambda: seen.append(1))])
    assert_same(whole, result)
    assert not seen


def test_early_stopping_is_remembered(tmp_path):
    recipe = Recipe(**{**vars(RECIPE), "patience": 1, "epochs": 8})
    first = train(tmp_path, recipe=recipe)
    assert len(first[1]) < 8
    assert_same(first, train(tmp_path, recipe=recipe))


def test_the_history_is_a_table(whole, tmp_path):
    train(tmp_path)
    header, *rows = (tmp_path / HISTORY_FILE).read_text().splitlines()
    assert header == "epoch,accuracy,loss,val_accuracy"
    assert [row.split(",")[0] for row in rows] == ["1", "2", "3"]
    assert [float(row.split(",")[2]) for row in rows] == [h["loss"] for h in whole[1]]


def test_the_state_can_be_removed(tmp_path):
    train(tmp_path)
    remove_state(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [HISTORY_FILE]


# === Bad input


def test_other_settings(tmp_path):
    train(tmp_path)
    recipe = Recipe(**{**vars(RECIPE), "batch_size": 8})
    with pytest.raises(InputError, match=r"batch_size=4 then, 8 now$"):
        train(tmp_path, recipe=recipe)


def test_other_data(tmp_path):
    train(tmp_path)
    features = make_features()
    features.labels[3, 4] ^= 1
    with pytest.raises(InputError, match=r"Received: training data='\w+' then"):
        train(tmp_path, features=features)


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "other"])
def test_a_damaged_state(tmp_path, damage):
    train(tmp_path)
    path = tmp_path / STATE_FILE
    content = path.read_bytes()
    if damage == "flipped":
        content = content[:40] + bytes([content[40] ^ 255]) + content[41:]
    elif damage == "other":
        content = json.dumps({"a": 1}).encode()
    else:
        content = content[: len(content) // 2] if damage == "cut" else b""
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"state.safetensors is .*(damaged|settings)"):
        train(tmp_path)


def test_two_trainings_in_one_folder(tmp_path):
    tmp_path.mkdir(exist_ok=True)
    in_use = pytest.raises(InputError, match="another process is at it")
    with filelock.FileLock(tmp_path / "lock"), in_use:
        train(tmp_path)
    train(tmp_path)


def test_a_full_disk(whole, tmp_path):
    """What was saved before is whole, and training goes on from it."""

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, [StopAt(4, interrupt)])
    before = (tmp_path / STATE_FILE).read_bytes()
    script = textwrap.dedent(
        """
        import resource, sys
        sys.path[:0] = {paths!r}
        import test_resume
        resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
        test_resume.train({folder!r})
        """
    ).format(paths=PATHS, size=len(before) // 2, folder=str(tmp_path))
    result = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert result.returncode == 1
    assert b"File too large" in result.stderr
    assert (tmp_path / STATE_FILE).read_bytes() == before
    assert_same(whole, train(tmp_path))
