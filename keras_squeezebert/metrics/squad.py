"""SQuAD's evaluation of answers, versions 1.1 and 2.0."""

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

from keras_squeezebert.errors import InputError
from keras_squeezebert.metrics.checks import check_lengths, number_array

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def squad(
    labels: Sequence[Sequence[str]],
    predictions: Sequence[str],
    no_answer_scores: Sequence[float] | None = None,
) -> dict[str, float]:
    """Exact match and F1 of answers, as the official script of SQuAD 2.0 has them.

    For SQuAD 1.1, where every question has an answer, its own script gives the same but
    for answers of articles and punctuation alone: it lets them count. Three questions
    of the development set have such a one (".") among others.

    Args:
        labels: For each question all answers that count as right; none if the text
            does not answer it.
        predictions: A model's answer to each; "" for none.
        no_answer_scores: For each question, how probable the model finds it that there
            is no answer; any scale will do. Without them there are no thresholds.

    Returns:
        Figures by the script's names, in [0, 1] where the script has percent: `exact`,
        the share of answers that equal one of the labels; `f1`, the mean F1 of their
        words, against the label that fits best; `total`, the number of questions; the
        same with `HasAns_` over the questions with an answer and `NoAns_` over the
        others, where there are any. With `no_answer_scores` also `best_exact` and
        `best_f1`, which the same predictions could reach if those whose score is above
        `best_exact_thresh` or `best_f1_thresh` were replaced by ""; a threshold of 0
        may also mean that it is best to answer none.

    Raises:
        InputError: Nothing to measure, different lengths, or something but strings.

    Example:
        >>> figures = squad([["the cat", "a black cat"], []], ["Black cats!", ""])
        >>> figures["exact"], figures["f1"], figures["HasAns_f1"]
        (0.5, 0.75, 0.5)
        >>> figures = squad([["Paris"], []], ["Paris", "Rome"], [0.1, 0.7])
        >>> figures["exact"], figures["best_exact"], figures["best_exact_thresh"]
        (0.5, 1.0, 0.1)

    Reference:
        Rajpurkar et al. 2016, arXiv 1606.05250, and 2018, arXiv 1806.03822.
    """
    _check_texts(labels, predictions)
    scores = np.array(
        [
            answer_scores(answers, prediction)
            for answers, prediction in zip(labels, predictions, strict=True)
        ]
    )  # (questions, 2)
    answerable = np.array([len(answers) > 0 for answers in labels])  # (questions,)
    figures = {}
    for prefix, part in [
        ("", np.full(len(labels), True)),
        ("HasAns_", answerable),
        ("NoAns_", ~answerable),
    ]:
        if part.any():
            exact, f1 = scores[part].mean(axis=0).tolist()
            figures[f"{prefix}exact"] = exact
            figures[f"{prefix}f1"] = f1
            figures[f"{prefix}total"] = int(part.sum())
    if no_answer_scores is None:
        return figures
    check_lengths(labels=labels, no_answer_scores=no_answer_scores)
    no_answer_scores = number_array("no_answer_scores", no_answer_scores)
    answering_none = float((~answerable).sum())
    answered = np.array([prediction != "" for prediction in predictions])
    for name, column in zip(("exact", "f1"), scores.T, strict=True):
        gains = np.where(answerable, column, -1.0 * answered)  # (questions,)
        best, threshold = best_threshold(answering_none, gains, no_answer_scores)
        figures[f"best_{name}"] = best / len(labels)
        figures[f"best_{name}_thresh"] = threshold
    return figures


def normalize_answer(text: str) -> str:
    """Lower case, without ASCII punctuation, articles and superfluous white space.

    Example:
        >>> normalize_answer(" The  cat's  whiskers, an' all.")
        'cats whiskers all'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def answer_scores(answers: Sequence[str], prediction: str) -> tuple[float, float]:
    """Exact match and F1 of one prediction, each against the answer that fits best.

    Example:
        >>> answer_scores(["Mount Etna", "Etna"], "the Etna")
        (1.0, 1.0)
    """
    prediction = normalize_answer(prediction)
    # Where nothing is left, and where there is no answer, the right one is "".
    normalized = [text for text in map(normalize_answer, answers) if text] or [""]
    return (
        float(prediction in normalized),
        max(word_f1(text.split(), prediction.split()) for text in normalized),
    )


def word_f1(expected: list[str], predicted: list[str]) -> float:
    """F1 of the words of an answer, each counted as often as it stands there.

    Example:
        >>> word_f1(["to", "be", "or", "not", "to", "be"], ["to", "be"])
        0.5
    """
    common = (Counter(expected) & Counter(predicted)).total()
    if not common:
        return float(expected == predicted)
    # In the script's order: the best threshold can hang on the last bit.
    precision, recall = common / len(predicted), common / len(expected)
    return 2 * precision * recall / (precision + recall)


def best_threshold(
    start: float, gains: np.ndarray, scores: np.ndarray
) -> tuple[float, float]:
    """Up to which score of "no answer" it pays to answer.

    As in the official script, questions of equal score are told apart by their order,
    and the threshold is 0 if it is best to answer none, which suits probabilities.

    Args:
        start: What is reached by answering none.
        gains: What is won or lost by answering each question, (questions,).
        scores: Of "no answer", (questions,).

    Returns:
        The most that can be reached, and the highest score that is answered for it.

    Example:
        >>> best_threshold(1.0, np.array([1.0, -1.0, 0.5]), np.array([0.2, 0.9, 0.4]))
        (2.5, 0.4)
    """
    order = np.argsort(scores, kind="stable")  # (questions,)
    sums = np.cumsum([start, *gains[order]])  # (1 + questions,)
    answered = int(sums.argmax())
    threshold = float(scores[order[answered - 1]]) if answered else 0.0
    return float(sums[answered]), threshold


def _check_texts(labels, predictions):
    check_lengths(labels=labels, predictions=predictions)
    for row, answers in enumerate(labels):
        if isinstance(answers, str) or not all(isinstance(a, str) for a in answers):
            raise InputError(
                "Each question must have a list of the answers that count as right. "
                f"Received: labels[{row}]={answers!r}"
            )
    for row, prediction in enumerate(predictions):
        if not isinstance(prediction, str):
            raise InputError(
                'A predicted answer must be a string, "" for none. Received: '
                f"predictions[{row}]={prediction!r}"
            )
