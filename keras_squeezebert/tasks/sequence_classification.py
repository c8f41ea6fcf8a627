"""SequenceClassification: one label, several labels or a number for a text or pair."""

from dataclasses import dataclass

import numpy as np

from keras_squeezebert.data import TextExamples, sorted_labels
from keras_squeezebert.errors import InputError
from keras_squeezebert.inference import label_scores
from keras_squeezebert.labels import problem_type
from keras_squeezebert.lengths import check_length
from keras_squeezebert.metrics import METRICS
from keras_squeezebert.tasks.features import Features
from keras_squeezebert.tasks.pieces import truncated_rows, word_pieces
from keras_squeezebert.tasks.task import Task

_METRICS = {
    "single_label_classification": "accuracy",
    "multi_label_classification": "multi_label_f1",
    "regression": "pearson_spearman",
}


@dataclass(frozen=True)
class SequenceClassification(Task):
    """Texts, or pairs of texts, and what `config.problem_type` says is asked of them.

    An answer is, by the problem,

    - for one of several labels: `{"label": "yes", "scores": {"yes": 0.9, "no": 0.1}}`;
    - for any number of labels: `{"labels": ["old"], "scores": {"old": 0.8, …}}`;
    - for a regression: `{"value": 2.5}`.

    Args:
        threshold: Of several labels, the probability from which on a text has one.
        metric_name: A name in `METRICS`; None is that of the problem: "accuracy",
            "multi_label_f1" or "pearson_spearman".

    Raises:
        InputError: The threshold is not in [0, 1], or there is no such metric.

    Example:
        >>> from keras_squeezebert import SqueezeBertConfig, SqueezeBertTokenizerFast
        >>> config = SqueezeBertConfig(id2label={0: "no", 1: "yes"})
        >>> examples = TextExamples(["so good", "bad"], ["yes", "no"])
        >>> task = SequenceClassification()
        >>> features = task.encode(examples, SqueezeBertTokenizerFast(), config)
        >>> features.labels.tolist()
        [1, 0]
        >>> outputs = {"logits": np.log([[0.25, 0.75], [0.4, 0.6]])}
        >>> answers = task.decode(outputs, features, examples, config)
        >>> answers[0]
        {'label': 'yes', 'scores': {'yes': 0.75, 'no': 0.25}}
        >>> task.score(examples, answers, config)
        {'accuracy': 0.5}
    """

    threshold: float = 0.5
    metric_name: str | None = None

    architecture = "SqueezeBertForSequenceClassification"

    def __post_init__(self):
        if not 0 <= self.threshold <= 1:
            raise InputError(
                f"`threshold` must be in [0, 1]. Received: threshold={self.threshold}"
            )
        if self.metric_name not in (None, *METRICS):
            raise InputError(
                f"`metric_name` must be one of {', '.join(METRICS)}. Received: "
                f"metric_name={self.metric_name!r}"
            )

    def encode(self, examples, tokenizer, config, max_length=None):
        pairs = examples.text_pairs
        inputs, cut = truncated_rows(
            tokenizer,
            max_length,
            word_pieces(tokenizer, examples.texts),
            None if pairs is None else word_pieces(tokenizer, pairs),
        )
        check_length(inputs["input_ids"].shape[-1], config)
        labels = None if examples.labels is None else _label_array(examples, config)
        return Features(
            inputs=inputs,
            labels=labels,
            rows=np.arange(len(examples)),
            notes={"texts that were truncated": int(cut.sum())},
        )

    def decode(self, outputs, features, examples, config):
        logits = outputs["logits"]  # (examples, labels)
        problem = problem_type(config)
        if problem == "single_label_classification":
            return [
                {"label": next(iter(scores)), "scores": scores}
                for scores in label_scores(config, logits)
            ]
        if problem == "regression":
            _check_one_number(config)
            return [{"value": float(value)} for value in logits[:, 0]]
        names = list(config.id2label.values())
        probabilities = 0.5 + 0.5 * np.tanh(0.5 * logits)  # the logistic function
        return [
            {
                "labels": [names[i] for i in np.flatnonzero(row >= self.threshold)],
                "scores": dict(zip(names, np.round(row, 6).tolist(), strict=True)),
            }
            for row in probabilities
        ]

    def metric(self, config):
        return METRICS[self.metric_name or _METRICS[problem_type(config)]]

    def score(self, examples, answers, config):
        problem = problem_type(config)
        labels = _label_array(examples, config)
        if problem == "regression":
            predictions = [answer["value"] for answer in answers]
        else:
            name = "labels" if problem == "multi_label_classification" else "label"
            predicted = [answer[name] for answer in answers]
            predictions = _label_array(TextExamples(examples.texts, predicted), config)
            labels, predictions = labels.astype(int), predictions.astype(int)
        return self.metric(config).compute(labels, predictions)

    def label_names(self, examples):
        labels = examples.labels
        if labels and isinstance(labels[0], list):
            labels = [label for several in labels for label in several]
        return sorted_labels(labels or [])


def _label_array(examples, config):
    """Int (examples,); several labels float (examples, labels), numbers (examples,)."""
    problem = problem_type(config)
    if problem == "regression":
        _check_one_number(config)
        return examples.label_values()
    ids = examples.label_ids(config.label2id)
    if (ids.ndim == 2) != (problem == "multi_label_classification"):
        raise InputError(
            "A list of labels for each text is for the problem type "
            "'multi_label_classification', a single label for the others. Received: "
            f"problem_type={config.problem_type!r}, labels[0]={examples.labels[0]!r}"
        )
    return ids


def _check_one_number(config):
    if config.num_labels != 1:
        raise InputError(
            "A regression of texts here has one number each, so one label. Received: "
            f"num_labels={config.num_labels}"
        )
