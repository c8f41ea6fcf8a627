"""A pretraining learns, tells what it does, and goes on where it was killed."""

import os
import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from pretraining_runs import (
    CONFIG,
    RECIPE,
    WORDS,
    make_cache,
    make_student,
    make_tokenizer,
    run,
)
from stop_at import StopAt
from tiny import WITHOUT_DROPOUT

from keras_squeezebert import SqueezeBertForMaskedLM
from keras_squeezebert.errors import InputError
from keras_squeezebert.pretraining import (
    Phase,
    PretrainingRecipe,
    TokenCache,
    pretrain,
)
from keras_squeezebert.training.session import HISTORY_FILE, STATE_FILE

PATHS = [os.path.dirname(__file__), *filter(None, sys.path)]
KILLED = """
    import os, pathlib, signal, sys
    sys.path[:0] = {paths!r}
    import pretraining_runs
    from stop_at import StopAt
    def kill():
        os.kill(os.getpid(), signal.SIGKILL)
    folder = pathlib.Path({folder!r})
    stop = StopAt({step}, kill)
    pretraining_runs.run(folder, folder / "state", callbacks=[stop])
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return run(folder, held_out=make_cache(folder / "held-out", seed=1))


def assert_same_weights(one, other):
    for weights, others in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(weights, others)


def losses_of(history):
    """Without the speed, which is another in every run."""
    return [
        {name: value for name, value in figures.items() if "loss" in name}
        for figures in history
    ]


def test_kill_in_both_phases(whole, tmp_path):
    """Steps 9 and 17 of 24; the state is saved at every step."""
    for step in (9, 17):
        script = textwrap.dedent(KILLED).format(
            paths=PATHS, folder=str(tmp_path), step=step
        )
        result = subprocess.run([sys.executable, "-c", script], capture_output=True)
        assert result.returncode == -signal.SIGKILL, result.stderr.decode()
    assert (tmp_path / "state" / STATE_FILE).exists()
    seen = []
    callbacks = [StopAt(n, lambda n=n: seen.append(n)) for n in (16, 17, 18, 24)]
    result = run(tmp_path, tmp_path / "state", callbacks=callbacks)
    assert_same_weights(whole, result)
    assert seen == [18, 24]  # nothing was done twice
    trained = [
        {name: value for name, value in figures.items() if not name.startswith("val_")}
        for figures in losses_of(whole[1])
    ]
    assert losses_of(result[1]) == trained


def test_what_the_history_tells(whole, tmp_path):
    _, history = whole
    assert len(history) == 3  # of 12 updates, 5 in a report
    expected = {
        "masked_lm_loss",
        "masked_lm_accuracy",
        "sentence_order_loss",
        "sentence_order_accuracy",
        "hidden_distance_loss",
        "attention_distance_loss",
        "sentence_distance_loss",
    }
    assert expected <= set(history[0])
    assert {f"val_{name}" for name in expected} <= set(history[0])
    assert history[-1]["hidden_distance_loss"] < history[0]["hidden_distance_loss"]
    assert [figures["hours_left"] > 0 for figures in history] == [True, True, False]
    assert all(figures["tokens_per_second"] > 0 for figures in history)


def test_the_history_is_a_table(tmp_path):
    run(tmp_path, tmp_path / "state")
    rows = (tmp_path / "state" / HISTORY_FILE).read_text().splitlines()
    assert len(rows) == 4


def test_a_state_of_other_settings(tmp_path):
    run(tmp_path, tmp_path / "state")
    for changes in ({"seed": 6}, {"hidden_weight": 2.0}):
        recipe = PretrainingRecipe(**{**vars(RECIPE), **changes})
        with pytest.raises(InputError, match=f"other settings.*{next(iter(changes))}"):
            run(tmp_path, tmp_path / "state", recipe)
    with pytest.raises(InputError, match=r"other settings.*hidden_act='gelu' then"):
        run(tmp_path, tmp_path / "state", changes={"hidden_act": "relu"})


@pytest.mark.parametrize(("optimizer", "rate"), [("adamw", 3e-3), ("muon", 1e-2)])
def test_text_is_learnt_without_a_teacher(tmp_path, optimizer, rate):
    """Sentences in which each word tells the next: well below the unigram entropy."""
    text = tmp_path / "text.txt"
    cycle = WORDS[:12]
    rng = np.random.default_rng(0)
    sentences = []
    for start in rng.integers(len(cycle), size=400):
        words = [cycle[(start + i) % len(cycle)] for i in range(8)]
        sentences.append(" ".join(words).capitalize() + ".")
    text.write_text("\n".join(sentences))
    tokenizer = make_tokenizer()
    cache = TokenCache.write(tmp_path / "cache", [text], tokenizer)
    model = make_student(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    recipe = PretrainingRecipe(
        phases=(Phase(16, 32, 400, rate),),
        optimizer=optimizer,
        warmup_ratio=0.1,
        report_steps=100,
    )
    history = pretrain(model, cache, tokenizer, recipe, verbose=0)
    unigram = np.log(len(cycle))  # 2.48: each word is as frequent as the others
    assert history[0]["masked_lm_loss"] > unigram
    assert history[-1]["masked_lm_loss"] < unigram - 0.7


def test_mixed_precision(tmp_path):
    """Weights stay float32, and losses are near those of float32."""
    losses = {}
    for dtype in ("float32", "mixed_bfloat16", "mixed_float16"):
        keras.utils.set_random_seed(0)
        # Without dropout, which draws otherwise in each dtype.
        model = SqueezeBertForMaskedLM(CONFIG.replace(**WITHOUT_DROPOUT), dtype=dtype)
        model.set_weights(make_student().get_weights())
        recipe = PretrainingRecipe(phases=(Phase(16, 8, 4, 1e-3),), report_steps=4)
        cache = make_cache(tmp_path)
        history = pretrain(model, cache, make_tokenizer(), recipe, verbose=0)
        losses[dtype] = history[-1]["loss"]
        assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    assert losses["mixed_bfloat16"] == pytest.approx(losses["float32"], abs=0.1)
    assert losses["mixed_float16"] == pytest.approx(losses["float32"], abs=0.02)
