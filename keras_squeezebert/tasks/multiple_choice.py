"""MultipleChoice: which of several continuations of a text fits best."""

from dataclasses import dataclass

import numpy as np

from keras_squeezebert.inference import softmax
from keras_squeezebert.lengths import check_length
from keras_squeezebert.metrics import METRICS
from keras_squeezebert.tasks.features import Features
from keras_squeezebert.tasks.pieces import truncated_rows, word_pieces
from keras_squeezebert.tasks.task import Task, known


@dataclass(frozen=True)
class MultipleChoice(Task):
    """Contexts, each with several choices, of which one is right.

    A context and each of its choices are a pair. An answer is
    `{"choice": 1, "scores": [0.2, 0.8]}`, whatever number of choices the model was run
    with: those beyond the example's own are not looked at.

    Example:
        >>> from keras_squeezebert import SqueezeBertConfig, SqueezeBertTokenizerFast
        >>> from keras_squeezebert.data import ChoiceExamples
        >>> examples = ChoiceExamples(["She opened"], [["the door.", "a rain."]], [0])
        >>> task, config = MultipleChoice(), SqueezeBertConfig()
        >>> features = task.encode(examples, SqueezeBertTokenizerFast(), config)
        >>> features.inputs["input_ids"].shape
        (1, 2, 8)
        >>> outputs = {"logits": np.log([[0.75, 0.25]])}
        >>> answers = task.decode(outputs, features, examples, config)
        >>> answers, task.score(examples, answers, config)
        ([{'choice': 0, 'scores': [0.75, 0.25]}], {'accuracy': 1.0})
    """

    architecture = "SqueezeBertForMultipleChoice"

    def encode(self, examples, tokenizer, config, max_length=None):
        flat = [choice for choices in examples.choices for choice in choices]
        each = [len(choices) for choices in examples.choices]
        contexts = word_pieces(tokenizer, examples.contexts)
        inputs, cut = truncated_rows(
            tokenizer,
            max_length,
            contexts.take(np.repeat(np.arange(len(examples)), each)),
            word_pieces(tokenizer, flat),
        )
        seq = inputs["input_ids"].shape[-1]
        check_length(seq, config)
        inputs = {
            name: array.reshape(len(examples), -1, seq)  # (examples, choices, seq)
            for name, array in inputs.items()
        }
        labels = None
        if examples.labels is not None:
            labels = np.array(examples.labels, "int32")
        return Features(
            inputs=inputs,
            labels=labels,
            rows=np.arange(len(examples)),
            notes={"choices that were truncated": int(cut.sum())},
        )

    def decode(self, outputs, features, examples, config):
        answers = []
        for choices, logits in zip(examples.choices, outputs["logits"], strict=True):
            logits = logits[: len(choices)]
            scores = softmax(logits).round(6).tolist()
            answers.append({"choice": int(logits.argmax()), "scores": scores})
        return answers

    def metric(self, config):
        return METRICS["accuracy"]

    def score(self, examples, answers, config):
        predictions = [answer["choice"] for answer in answers]
        return self.metric(config).compute(
            known("labels", examples.labels), predictions
        )
