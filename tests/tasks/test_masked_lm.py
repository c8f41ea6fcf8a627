"""Blocks hold all of the texts, and losses find the text that they are of."""

import json
from itertools import chain

import numpy as np
import pytest
from generated import one_hot, texts
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from keras_squeezebert import SqueezeBertConfig
from keras_squeezebert.data import TextExamples
from keras_squeezebert.errors import InputError
from keras_squeezebert.labels import IGNORED_LABEL
from keras_squeezebert.tasks import FillMask, MaskedLM

CONFIG = SqueezeBertConfig()


def bodies(features):
    """The pieces of each row, without the special tokens around them."""
    lengths = features.lengths
    return [
        row[1 : n - 1].tolist() for row, n in zip(features.ids, lengths, strict=True)
    ]


def run(task, features, logits):
    """The outputs for all rows in batches of two."""
    parts = []
    for start in range(0, len(features), 2):
        rows = np.arange(len(features))[start : start + 2]
        parts.append(task.condense({"logits": logits[rows]}, features, rows))
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


@settings(max_examples=40, deadline=None)
@given(some=st.lists(texts, min_size=1, max_size=6), max_length=st.integers(3, 30))
def test_blocks_hold_all_of_the_texts(tokenizer, some, max_length):
    pieces = [
        tokenizer(t, truncation=False)["input_ids"][0, 1:-1].tolist() for t in some
    ]
    assume(any(pieces))
    room = max_length - 2

    features = MaskedLM().encode(TextExamples(some), tokenizer, CONFIG, max_length)
    rows = bodies(features)
    stream = [p for text in filter(None, pieces) for p in [102, *text]][1:]
    assert list(chain(*rows)) == stream
    assert all(len(row) == room for row in rows[:-1]) and len(rows[-1]) <= room

    alone = MaskedLM(packed=False)
    features = alone.encode(TextExamples(some), tokenizer, CONFIG, max_length)
    for number, text in enumerate(pieces):
        of_text = np.flatnonzero(features.rows == number)
        assert len(of_text) == -(-len(text) // room)
        assert list(chain(*(bodies(features)[row] for row in of_text))) == text
    assert features.notes == {"texts without pieces": pieces.count([])}


@pytest.mark.parametrize("packed", [True, False])
def test_owners(tokenizer, packed):
    some = ["one two", "", "three four five six seven", "eight"]
    features = MaskedLM(packed=packed).encode(
        TextExamples(some), tokenizer, CONFIG, max_length=6
    )
    for number, text in enumerate(some):
        owned = features.ids[features.owners == number].tolist()
        owned = [token for token in owned if token != tokenizer.sep_token_id]
        assert tokenizer.decode(owned) == text
    assert (features.owners[:, 0] == -1).all()


def test_losses_are_those_of_the_texts(tokenizer):
    examples = TextExamples(["one two three four", "", "five six seven " * 9, "eight"])
    task = MaskedLM(rate=0.4, seed=2)
    features = task.encode(examples, tokenizer, CONFIG, max_length=12)
    shape = (*features.ids.shape, CONFIG.vocab_size)
    logits = np.random.default_rng(0).standard_normal(shape).astype("float32")
    logits[0] += 4 * one_hot(features.labels[0], CONFIG.vocab_size)
    answers = task.decode(run(task, features, logits), features, examples, CONFIG)
    expected = [{"pieces": 0, "right": 0, "loss": 0.0} for _ in range(len(examples))]
    log_probabilities = log_softmax(logits.astype("float64"), axis=-1)
    for row, column in np.argwhere(features.labels != IGNORED_LABEL):
        label = features.labels[row, column]
        answer = expected[features.owners[row, column]]
        answer["pieces"] += 1
        answer["right"] += int(logits[row, column].argmax() == label)
        answer["loss"] -= log_probabilities[row, column, label]
    assert sum(answer["right"] for answer in expected) > 0
    for answer, exact in zip(answers, expected, strict=True):
        assert answer == pytest.approx(exact, rel=1e-5)
    json.dumps(answers, allow_nan=False)

    pieces = sum(answer["pieces"] for answer in expected)
    loss = sum(answer["loss"] for answer in expected) / pieces
    figures = task.score(examples, answers, CONFIG)
    assert figures["perplexity"] == pytest.approx(np.exp(loss), rel=1e-5)
    assert figures["loss"] == pytest.approx(loss, rel=1e-5)


def test_a_perfect_model_and_one_that_knows_nothing(tokenizer):
    examples = TextExamples(["the cat sat on the mat of the house " * 5])
    task = MaskedLM()
    features = task.encode(examples, tokenizer, CONFIG, max_length=20)
    perfect = 9 * one_hot(features.labels, CONFIG.vocab_size)
    answers = task.decode(run(task, features, perfect), features, examples, CONFIG)
    figures = task.score(examples, answers, CONFIG)
    assert (figures["perplexity"], figures["accuracy"]) == (1.0, 1.0)
    nothing = np.zeros_like(perfect)
    answers = task.decode(run(task, features, nothing), features, examples, CONFIG)
    perplexity = task.score(examples, answers, CONFIG)["perplexity"]
    assert perplexity == pytest.approx(CONFIG.vocab_size, rel=1e-4)
    assert task.metric(CONFIG).direction == "min"


def test_batches_are_masked_anew_in_every_epoch(tokenizer):
    examples = TextExamples(["one two three four five six seven " * 5])
    features = MaskedLM(rate=0.3).encode(examples, tokenizer, CONFIG, max_length=12)
    rows = np.array([2, 0])
    inputs, labels = features.batch(rows)
    np.testing.assert_array_equal(
        inputs["input_ids"], features.inputs["input_ids"][rows]
    )
    np.testing.assert_array_equal(labels, features.labels[rows])
    masked = [features.batch(rows, epoch) for epoch in (1, 2, 1)]
    assert not np.array_equal(masked[0][1], labels)
    assert not np.array_equal(masked[0][1], masked[1][1])
    for name, array in masked[0][0].items():
        np.testing.assert_array_equal(array, masked[2][0][name])
    for inputs, labels in masked:
        chosen = labels != IGNORED_LABEL
        restored = np.where(chosen, labels, inputs["input_ids"])
        np.testing.assert_array_equal(restored, features.ids[rows])


# === Filling


def test_the_likeliest_pieces(tokenizer):
    examples = TextExamples(["[MASK] is in [MASK].", "it is [MASK]"], ["paris", "here"])
    task = FillMask(top=3)
    features = task.encode(examples, tokenizer, CONFIG)
    shape = (*features.inputs["input_ids"].shape, CONFIG.vocab_size)
    logits = np.random.default_rng(1).standard_normal(shape)
    logits[0, 1, tokenizer.convert_tokens_to_ids("paris")] = 9
    outputs = run(task, features, logits)
    answers = task.decode(outputs, features, examples, CONFIG)
    json.dumps(answers, allow_nan=False)
    assert [len(answer) for answer in answers] == [2, 1]
    for answer, (row, columns) in zip(answers, [(0, (1, 4)), (1, (3,))], strict=True):
        for of_gap, column in zip(answer, columns, strict=True):
            probabilities = np.exp(log_softmax(logits[row, column]))
            best = np.argsort(-probabilities)[:3]
            tokens = [candidate["token"] for candidate in of_gap]
            assert tokens == tokenizer.convert_ids_to_tokens(best)
            scores = [candidate["score"] for candidate in of_gap]
            np.testing.assert_allclose(scores, probabilities[best], atol=1e-6)
    assert task.score(examples, answers, CONFIG) == {"accuracy": 0.5}


@pytest.mark.parametrize("text", ["no gap", "a b c d e f g [MASK]"])
def test_texts_without_a_gap(tokenizer, text):
    with pytest.raises(InputError, match=r"must have a \[MASK\]"):
        FillMask().encode(TextExamples([text]), tokenizer, CONFIG, max_length=8)


def test_another_vocabulary(tokenizer):
    config = CONFIG.replace(vocab_size=40000)
    with pytest.raises(InputError, match=r"vocab_size=40000"):
        FillMask().encode(TextExamples(["[MASK]"]), tokenizer, config)


def test_none_at_the_top():
    with pytest.raises(InputError, match="top=0"):
        FillMask(top=0)
