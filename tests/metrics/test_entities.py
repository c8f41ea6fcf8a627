"""Entities are counted as `conlleval` and `seqeval` count them."""

import random

import pytest

from keras_squeezebert.errors import InputError
from keras_squeezebert.metrics import entities

TAGS = ["O", *(f"{prefix}-{kind}" for prefix in "BI" for kind in ("PER", "LOC", "X-Y"))]


def random_rows(seed, texts=200):
    """Tags in any order, and predictions of which about half are right."""
    rng = random.Random(seed)
    labels = [rng.choices(TAGS, k=rng.randrange(12)) for _ in range(texts)]
    predictions = [
        [tag if rng.random() < 0.5 else rng.choice(TAGS) for tag in row]
        for row in labels
    ]
    return labels, predictions


# === conlleval


def begins(previous, tag):
    """Its `startOfChunk`, for the tags of IOB."""
    return tag[0] == "B" or (
        tag[0] == "I" and (previous == "O" or previous[2:] != tag[2:])
    )


def ends(previous, tag):
    """Its `endOfChunk`."""
    return previous != "O" and (tag[0] in "BO" or previous[2:] != tag[2:])


def conlleval(labels, predictions):
    """Its main loop, in which a chunk is right if both sides begin and end together."""
    true = found = correct = 0
    for row in zip(labels, predictions, strict=True):
        inside = False  # a chunk that was begun, and has been right so far
        last = ("O", "O")
        for pair in [*zip(*row, strict=True), ("O", "O")]:
            end = [ends(*both) for both in zip(last, pair, strict=True)]
            start = [begins(*both) for both in zip(last, pair, strict=True)]
            if inside and all(end):
                correct += 1
            inside = (inside and not any(end)) or (
                all(start) and pair[0][2:] == pair[1][2:]
            )
            true += start[0]
            found += start[1]
            last = pair
    precision, recall = correct / found, correct / true
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall),
    }


@pytest.mark.parametrize("seed", range(5))
def test_conlleval(seed):
    labels, predictions = random_rows(seed)
    figures = entities(labels, predictions)
    right = sum(
        label == prediction
        for row in zip(labels, predictions, strict=True)
        for label, prediction in zip(*row, strict=True)
    )
    assert figures.pop("accuracy") == right / sum(map(len, labels))
    assert figures == pytest.approx(conlleval(labels, predictions), rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_seqeval(seed):
    reason = "`seqeval` is not installed"
    theirs = pytest.importorskip("seqeval.metrics", reason=reason)
    labels, predictions = random_rows(seed)
    expected = {
        "precision": theirs.precision_score(labels, predictions),
        "recall": theirs.recall_score(labels, predictions),
        "f1": theirs.f1_score(labels, predictions),
        "accuracy": theirs.accuracy_score(labels, predictions),
    }
    assert entities(labels, predictions) == pytest.approx(expected, rel=1e-12)


# === By hand


def test_the_example_of_seqeval():
    figures = entities(
        [
            ["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"],
            ["B-PER", "I-PER", "O"],
        ],
        [
            ["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"],
            ["B-PER", "I-PER", "O"],
        ],
    )
    assert figures == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "accuracy": 0.8}


@pytest.mark.parametrize(
    ("expected", "predicted", "figures"),
    [
        # Of two neighbours of one type only a B tells that they are two.
        ("B-X B-X", "B-X I-X", (0.0, 0.0)),
        # IOB1 and IOB2 of the same entities.
        ("O B-X I-X", "O I-X I-X", (1.0, 1.0)),
        # An I of another type begins an entity.
        ("B-X B-Y O", "B-X I-Y O", (1.0, 1.0)),
        # Right words, wrong type; right type, a word too many.
        ("B-X O B-X O", "B-Y O B-X I-X", (0.0, 0.0)),
        ("B-X O B-Y", "B-X O O", (1.0, 0.5)),
        ("O O O", "O O O", (0.0, 0.0)),
        ("O O O", "O B-X O", (0.0, 0.0)),
        ("B-X O O", "O O O", (0.0, 0.0)),
    ],
)
def test_by_hand(expected, predicted, figures):
    found = entities([expected.split()], [predicted.split()])
    assert (found["precision"], found["recall"]) == figures
    assert found["f1"] == pytest.approx(
        2 * figures[0] * figures[1] / (sum(figures) or 1), rel=1e-12
    )


def test_an_entity_ends_with_its_text():
    apart = entities([["B-X"], ["I-X"]], [["B-X"], ["O"]])
    assert (apart["precision"], apart["recall"]) == (1.0, 0.5)
    assert entities([[], ["B-X"]], [[], ["B-X"]])["f1"] == 1.0


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([["O", "O"]], [["O"]], r"Received: len\(labels\[0\]\)=2, len\(predic.*=1"),
        ([[], []], [[], []], "one tag or more. Received: 2 texts without any"),
        (["O"], ["O"], r"list of tags. Received: labels\[0\]='O'"),
        ([["O"]], [["PER"]], r"accuracy. Received: predictions\[0\]\[0\]='PER'"),
        ([["B-"]], [["O"]], r"Received: labels\[0\]\[0\]='B-'"),
        ([["O"]], [[3]], r"Received: predictions\[0\]\[0\]=3"),
    ],
)
def test_mistakes(labels, predictions, message):
    with pytest.raises(InputError, match=message):
        entities(labels, predictions)
