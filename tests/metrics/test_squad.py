"""SQuAD's figures equal the official ones, and those worked out by hand."""

import random
from types import SimpleNamespace

import numpy as np
import pytest

from keras_squeezebert.errors import InputError
from keras_squeezebert.metrics import squad
from keras_squeezebert.metrics.squad import answer_scores, normalize_answer

# Articles, cases, punctuation within ASCII and outside of it, white space.
WORDS = [
    *("the", "a", "an", "The", "A", "theatre", "and", "cat", "cat's", "Cat", "dog,"),
    *("dog.", "(New", "York)", "New-York", "1,000", "1000", "—", "“the”", "É", "è"),
    *("e\u0301", "ﬁ", "İ", "STRASSE", "straße", "!", ".", "\u00a0", "\t", "日本"),
]


def generated(questions, seed, answerable=0.6):
    """Answers, predictions that are often near them, and scores without ties."""
    rng = random.Random(seed)

    def pick(values):
        return values[int(rng.random() * len(values))]

    def phrase():
        return " ".join(pick(WORDS) for _ in range(1 + int(4 * rng.random())))

    labels, predictions, scores = [], [], []
    for _ in range(questions):
        count = pick([1, 2, 3]) if rng.random() < answerable else 0
        labels.append([phrase() for _ in range(count)])
        kind = rng.random()
        if kind < 0.25:
            predictions.append("")
        elif kind < 0.7 and count:
            words = pick(labels[-1]).split(" ")
            predictions.append(" ".join(words[int(2 * rng.random()) :] + [pick(WORDS)]))
        elif kind < 0.85 and count:
            predictions.append(pick(labels[-1]).upper())
        else:
            predictions.append(phrase())
        scores.append((rng.random() + (count == 0) * rng.random()) / 2)
    return labels, predictions, scores


# === Official figures

# Percent, by `transformers` 4.57.6 (see the test below) of `generated(n, seed, share)`.
OFFICIAL = {
    (5000, 0, 0.6): {
        "exact": 26.26,
        "f1": 39.48650049950065,
        "total": 5000,
        "HasAns_exact": 21.792260692464357,
        "HasAns_f1": 44.24049643499742,
        "HasAns_total": 2946,
        "NoAns_exact": 32.667964946445956,
        "NoAns_f1": 32.667964946445956,
        "NoAns_total": 2054,
        "best_exact": 44.14,
        "best_exact_thresh": 0.2564391383594145,
        "best_f1": 52.24557986457897,
        "best_f1_thresh": 0.46343718870008377,
    },
    (5000, 1, 1.0): {
        "exact": 20.52,
        "f1": 43.94659573759594,
        "total": 5000,
        "HasAns_exact": 20.52,
        "HasAns_f1": 43.94659573759594,
        "HasAns_total": 5000,
        "best_exact": 20.52,
        "best_exact_thresh": 0.4997774230773046,
        "best_f1": 43.94659573759593,
        "best_f1_thresh": 0.4998177920794028,
    },
}


def theirs(labels, predictions, scores):
    """By `transformers.data.metrics.squad_metrics`, SQuAD's script; gone since 5.0."""
    module = pytest.importorskip(
        "transformers.data.metrics.squad_metrics",
        reason="only `transformers` before 5.0 has SQuAD's script",
    )
    examples = [
        SimpleNamespace(qas_id=i, answers=[{"text": text} for text in answers])
        for i, answers in enumerate(labels)
    ]
    return dict(
        module.squad_evaluate(
            examples, dict(enumerate(predictions)), dict(enumerate(scores))
        )
    )


def in_percent(figures):
    return {
        name: figure if name.endswith(("total", "thresh")) else 100 * figure
        for name, figure in figures.items()
    }


@pytest.mark.parametrize("case", OFFICIAL)
def test_official_figures(case):
    figures = in_percent(squad(*generated(*case)))
    assert figures == pytest.approx(OFFICIAL[case], rel=1e-12)


@pytest.mark.parametrize("case", OFFICIAL)
def test_they_are_the_official_ones(case):
    assert theirs(*generated(*case)) == pytest.approx(OFFICIAL[case], rel=1e-12)


# === By hand


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The cat and an apple: a theatre", "cat and apple theatre"),
        ("  New\u00a0\t York!\n", "new york"),
        # Punctuation goes without leaving a space, before articles are looked for.
        ("half-a-day a.m.", "halfaday am"),
        ("“A” — the", "“ ” —"),
        ("the... (AN)", ""),
        ("_the_", ""),
        ("", ""),
    ],
)
def test_normalization(text, normal):
    assert normalize_answer(text) == normal


@pytest.mark.parametrize(
    ("answers", "prediction", "exact", "f1"),
    [
        (["Mount Etna"], "mount  ETNA.", 1.0, 1.0),
        # One word of two, one of three: 2 / (2 + 3).
        (["Mount Etna"], "Etna in Sicily", 0.0, 2 / 5),
        # "to" twice and "be" once in both: 2 · 3 / (6 + 4).
        (["to be or not to be"], "to to be to", 0.0, 6 / 10),
        # The maximum, each for itself.
        (["four", "four of them", "4"], "all four of them", 0.0, 6 / 7),
        (["no overlap"], "at all", 0.0, 0.0),
        (["something"], "", 0.0, 0.0),
        ([], "", 1.0, 1.0),
        ([], "something", 0.0, 0.0),
        # Nothing is left of it, as of no answer.
        ([], "the", 1.0, 1.0),
        (["the"], "", 1.0, 1.0),
        # What vanishes does not count beside what stays.
        ([".", "full stop"], "!", 0.0, 0.0),
    ],
)
def test_one_answer(answers, prediction, exact, f1):
    assert answer_scores(answers, prediction) == pytest.approx((exact, f1), rel=1e-12)


def test_parts_and_thresholds():
    figures = squad(
        [["in Rome"], ["1900"], [], [], ["Bach"]],
        ["Rome", "1900", "Oslo", "", "Mozart"],
        [0.3, 0.1, 0.6, 0.2, 0.9],
    )
    assert figures == pytest.approx(
        {
            "exact": 2 / 5,
            "f1": (2 / 3 + 1 + 1) / 5,
            "total": 5,
            "HasAns_exact": 1 / 3,
            "HasAns_f1": (2 / 3 + 1) / 3,
            "HasAns_total": 3,
            "NoAns_exact": 1 / 2,
            "NoAns_f1": 1 / 2,
            "NoAns_total": 2,
            # Answering none is right twice. By rising scores "1900" adds 1, "" nothing,
            # "Rome" an F1 of 2/3 but no exact match; "Oslo" takes 1 away.
            "best_exact": 3 / 5,
            "best_exact_thresh": 0.1,
            "best_f1": (3 + 2 / 3) / 5,
            "best_f1_thresh": 0.3,
        },
        rel=1e-12,
    )


def test_parts_that_are_not_there():
    assert list(squad([["x"]], ["x"])) == [
        *("exact", "f1", "total"),
        *("HasAns_exact", "HasAns_f1", "HasAns_total"),
    ]
    assert squad([[], []], ["", "x"]) == {
        "exact": 0.5,
        "f1": 0.5,
        "total": 2,
        "NoAns_exact": 0.5,
        "NoAns_f1": 0.5,
        "NoAns_total": 2,
    }


def test_best_to_answer_none():
    figures = squad([[], ["x"]], ["x", "y"], [0.1, 0.2])
    assert figures["best_exact"] == figures["best_f1"] == 0.5
    assert figures["best_exact_thresh"] == figures["best_f1_thresh"] == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_no_other_threshold_is_better_than_the_best(seed):
    labels, predictions, scores = generated(60, seed)
    # The script's bookkeeping is off by those of which nothing is left: they score as
    # no answer does, but count as answers.
    labels = [list(filter(normalize_answer, answers)) for answers in labels]
    predictions = [text if normalize_answer(text) else "" for text in predictions]
    best = squad(labels, predictions, scores)

    def at(threshold):
        return squad(
            labels,
            [
                "" if score > threshold else text
                for text, score in zip(predictions, scores, strict=True)
            ],
        )

    for name in ("exact", "f1"):
        reached = at(best[f"best_{name}_thresh"])[name]
        assert reached == pytest.approx(best[f"best_{name}"], rel=1e-12)
        others = [at(threshold)[name] for threshold in (-1.0, *scores)]
        assert max(others) == pytest.approx(reached, rel=1e-12)


def test_any_increasing_scale_of_scores_gives_the_same_best():
    labels, predictions, scores = generated(300, seed=5)
    odds = np.log(scores) - np.log1p(-np.array(scores))
    ours, same = (squad(labels, predictions, each) for each in (scores, odds))
    assert same["best_f1"] == ours["best_f1"]
    assert same["best_f1_thresh"] == odds[scores.index(ours["best_f1_thresh"])]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["Paris"], ["Paris"]), r"list of the answers.* labels\[0\]='Paris'"),
        (([["x"], [3]], ["x", "3"]), r"Received: labels\[1\]=\[3\]"),
        (([["x"]], [None]), r"\"\" for none. Received: predictions\[0\]=None"),
        (([["x"]], ["x"], [0.1, 0.2]), "Received: 1 labels, 2 no_answer_scores"),
        (([["x"]], ["x"], [np.nan]), r"Received: no_answer_scores\[0\]=nan"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(InputError, match=message):
        squad(*arguments)
