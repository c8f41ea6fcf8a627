"""The benchmark of masked LMs, and its n-grams beside dictionaries of counts."""

import doctest
import importlib
import json
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForMaskedLM,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.labels import IGNORED_LABEL
from keras_squeezebert.pretraining import TokenCache
from keras_squeezebert.pretraining.rows import Rows
from keras_squeezebert.tasks.masking import Masking

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
VOCABULARY, SPECIAL = 9, {0}
SENTENCES = (
    "The cat sat on the mat.",
    "A dog ran to the old house.",
    "She saw the cat and the dog.",
    "It was a fine day on the river.",
)


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


def slow_model(stream, offsets):
    """Kneser–Ney as in Chen and Goodman's formulas, n-gram by n-gram."""

    @cache
    def counts(k):
        if k < len(offsets):
            return Counter((longer[:k], piece) for longer, piece in counts(k + 1))
        return Counter(
            (tuple(stream[(i + offset) % len(stream)] for offset in offsets), piece)
            for i, piece in enumerate(stream)
            if piece not in SPECIAL
        )

    @cache
    def discounts(k):
        n = Counter(counts(k).values())
        found = [0.5, 1.0, 1.5]
        if n[1] and n[2] and n[3]:
            y = n[1] / (n[1] + 2 * n[2])
            for i in (1, 2, 3):
                exact = i - (i + 1) * y * n[i + 1] / n[i]
                found[i - 1] = exact if 0 < exact <= i else i / 2
        return found

    def probability(piece, context):
        k = len(context)
        if k:
            shorter = probability(piece, context[:-1])
        else:
            shorter = 1 / (VOCABULARY - len(SPECIAL))
        seen = {w: c for (before, w), c in counts(k).items() if before == context}
        if not seen:
            return shorter
        taken = {w: discounts(k)[min(c, 3) - 1] for w, c in seen.items()}
        own = seen.get(piece, 0) - taken.get(piece, 0)
        return (own + sum(taken.values()) * shorter) / sum(seen.values())

    return probability


@pytest.mark.parametrize("pieces", [12, 60, 600])
@pytest.mark.parametrize("offsets", [(), (-1,), (-1, -2), (1, 2), (1, -1, 2)])
def test_ngrams_are_those_of_dictionaries(offsets, pieces):
    from ngrams import KneserNey

    rng = np.random.default_rng(pieces)
    # The last piece is never there.
    stream = np.minimum(rng.geometric(0.35, pieces) - 1, VOCABULARY - 2)
    possible = np.array([i not in SPECIAL for i in range(VOCABULARY)])
    contexts = rng.integers(0, VOCABULARY, (20, len(offsets)))
    found = KneserNey(stream.astype("uint16"), offsets, possible)(contexts)
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-5)
    assert (found[:, possible] > 0).all() and (found[:, ~possible] == 0).all()
    slow = slow_model(stream.tolist(), offsets)
    expected = [
        [slow(piece, tuple(context)) for piece in np.flatnonzero(possible).tolist()]
        for context in contexts.tolist()
    ]
    np.testing.assert_allclose(found[:, possible], expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["ngrams", "experts"])
def test_examples(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted and not found.failed


def test_longer_ngrams_than_fit():
    from ngrams import KneserNey

    with pytest.raises(ValueError, match="64 bits"):
        KneserNey(np.arange(9), (-1, -2, -3, -4), np.ones(30_522, bool))


def test_fitted_powers_are_those_of_the_product_that_drew_the_pieces():
    from experts import fitted_powers, log_product

    rng = np.random.default_rng(0)
    n, pieces, powers = 20_000, 6, np.array([0.8, 0.5, -0.3])
    logs = np.log(rng.dirichlet(np.ones(pieces), (3, n))).astype("float32")
    product = np.exp(log_product(logs, powers))
    np.testing.assert_allclose(product.sum(axis=-1), 1, rtol=1e-5)
    expected = np.prod(np.exp(logs) ** powers[:, None, None], axis=0)
    expected /= expected.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(product, expected, rtol=1e-4)
    drawn = (rng.random((n, 1)) > product.cumsum(axis=-1)).sum(axis=-1)
    drawn = np.minimum(drawn, pieces - 1)
    np.testing.assert_allclose(fitted_powers(logs, drawn), powers, atol=0.05)


def test_masked_lm_benchmark(tmp_path):
    tokenizer = SqueezeBertTokenizerFast()
    for name, repeated in (("cache", 8), ("held_out", 4)):
        texts = tmp_path / f"{name}.txt"
        texts.write_text("\n\n".join(SENTENCES * repeated))
        TokenCache.write(tmp_path / name, [texts], tokenizer)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
    model = SqueezeBertForMaskedLM(SqueezeBertConfig(num_hidden_layers=1, **sizes))
    model.save_pretrained(tmp_path / "model")
    command = [sys.executable, str(BENCHMARKS / "masked_lm.py")]
    command += ["--cache", "cache", "--held-out", "held_out", "--output", "a.json"]
    command += ["--length", "16", "--json", "model"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr[-4000:]
    report = json.loads(finished.stdout)
    assert report == json.loads((tmp_path / "a.json").read_text())
    loss = {name: row["loss"] for name, row in report["results"].items()}

    masking = Masking(tokenizer, 0.15, seed=0)
    held_out = TokenCache(tmp_path / "held_out", tokenizer)
    rows = Rows(held_out, tokenizer, 16, masking, paired=False)
    inputs, labels = rows.batch(0, range(len(rows)))
    positions = inputs.pop("masked_positions")
    logs = log_softmax(model.predict(inputs, verbose=0), axis=-1)
    row, place = np.nonzero(labels["masked_lm"] != IGNORED_LABEL)
    pieces = labels["masked_lm"][row, place]
    found = logs[row, positions[row, place], pieces]
    assert report["held_out"]["masked"] == len(pieces) > 10
    assert loss["model"] == pytest.approx(-found.mean(), rel=1e-4)
    # The text is that which was counted: the more of it is seen, the surer the guess.
    assert loss["both sides"] < loss["left trigram"] < loss["unigram"] < loss["model"]
    assert report["results"]["both sides"]["accuracy"] > 0.9
