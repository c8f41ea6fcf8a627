"""FillMask: which word pieces may stand where a text has `[MASK]`."""

from dataclasses import dataclass

import numpy as np

from keras_squeezebert.errors import InputError
from keras_squeezebert.inference import softmax
from keras_squeezebert.lengths import check_length
from keras_squeezebert.metrics import METRICS
from keras_squeezebert.tasks.features import Features
from keras_squeezebert.tasks.pieces import truncated_rows, word_pieces
from keras_squeezebert.tasks.task import Task, known


@dataclass(frozen=True, kw_only=True, eq=False)
class GapFeatures(Features):
    """Features that know where the gaps are, and the names of what may fill them.

    Args:
        is_gap: Whether a piece is `[MASK]`, bool (rows, seq).
        vocabulary: The pieces in the order of their ids.
    """

    is_gap: np.ndarray
    vocabulary: tuple[str, ...]


@dataclass(frozen=True)
class FillMask(Task):
    """Texts with `[MASK]` in them, for a masked language model to fill.

    An answer is a list with an entry for each `[MASK]`, itself a list of the likeliest
    pieces, `{"token": "paris", "score": 0.4}`. Labels, which `score` asks for, are the
    pieces that the first `[MASK]` of each text stands for.

    Args:
        top: How many pieces to tell.

    Raises:
        InputError: `top` is less than 1.

    Example:
        >>> from keras_squeezebert import SqueezeBertConfig, SqueezeBertTokenizerFast
        >>> from keras_squeezebert.data import TextExamples
        >>> tokenizer, config = SqueezeBertTokenizerFast(), SqueezeBertConfig()
        >>> examples = TextExamples(["[MASK] is in france."], ["paris"])
        >>> task = FillMask(top=1)
        >>> features = task.encode(examples, tokenizer, config)
        >>> logits = np.zeros((1, 7, config.vocab_size))
        >>> logits[0, 1, tokenizer.convert_tokens_to_ids("paris")] = 30.0
        >>> outputs = task.condense({"logits": logits}, features, np.arange(1))
        >>> answers = task.decode(outputs, features, examples, config)
        >>> answers, task.score(examples, answers, config)
        ([[[{'token': 'paris', 'score': 1.0}]]], {'accuracy': 1.0})
    """

    top: int = 5

    architecture = "SqueezeBertForMaskedLM"

    def __post_init__(self):
        if self.top < 1:
            raise InputError(f"`top` must be 1 or more. Received: top={self.top}")

    def encode(self, examples, tokenizer, config, max_length=None):
        if config.vocab_size != tokenizer.vocab_size:
            raise InputError(
                "The model must score the tokenizer's pieces. Received: "
                f"config.vocab_size={config.vocab_size}, "
                f"tokenizer.vocab_size={tokenizer.vocab_size}"
            )
        pieces = word_pieces(tokenizer, examples.texts)
        inputs, _ = truncated_rows(tokenizer, max_length, pieces)
        check_length(inputs["input_ids"].shape[-1], config)
        is_gap = inputs["input_ids"] == tokenizer.mask_token_id  # (rows, seq)
        for row in np.flatnonzero(~is_gap.any(axis=-1)):
            raise InputError(
                f"A text must have a {tokenizer.options.mask_token} among the pieces "
                f"that fit in a row. Received: {examples.texts[row][:80]!r}"
            )
        return GapFeatures(
            inputs=inputs,
            rows=np.arange(len(examples)),
            is_gap=is_gap,
            vocabulary=tokenizer.vocabulary,
        )

    def condense(self, outputs, features, rows):
        """Of the logits, which are many, the best pieces of each gap."""
        gaps = np.nonzero(features.is_gap[rows])
        scores = softmax(outputs["logits"][gaps])  # (gaps, vocabulary)
        ids = np.argsort(-scores, axis=-1, kind="stable")[:, : self.top]  # (gaps, top)
        shape = (*features.is_gap[rows].shape, ids.shape[-1])
        condensed = {"ids": np.zeros(shape, "int32"), "scores": np.zeros(shape)}
        condensed["ids"][gaps] = ids
        condensed["scores"][gaps] = np.take_along_axis(scores, ids, axis=-1)
        return condensed  # (rows, seq, top) each

    def decode(self, outputs, features, examples, config):
        answers = []
        for row, is_gap in enumerate(features.is_gap):
            ids = outputs["ids"][row][: len(is_gap)][is_gap].tolist()  # (gaps, top)
            scores = outputs["scores"][row][: len(is_gap)][is_gap].round(6).tolist()
            answers.append(
                [
                    [
                        {"token": features.vocabulary[i], "score": score}
                        for i, score in zip(*of_gap, strict=True)
                    ]
                    for of_gap in zip(ids, scores, strict=True)
                ]
            )
        return answers

    def metric(self, config):
        return METRICS["accuracy"]

    def score(self, examples, answers, config):
        predictions = [answer[0][0]["token"] for answer in answers]
        return self.metric(config).compute(
            known("labels", examples.labels), predictions
        )
