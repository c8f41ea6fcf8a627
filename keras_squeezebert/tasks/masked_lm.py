"""MaskedLM: guessing the word pieces of texts that were hidden, as in pretraining."""

from dataclasses import dataclass

import numpy as np

from keras_squeezebert.labels import IGNORED_LABEL
from keras_squeezebert.lengths import check_length
from keras_squeezebert.metrics import METRICS
from keras_squeezebert.tasks.features import Features
from keras_squeezebert.tasks.masking import Masking
from keras_squeezebert.tasks.pieces import Pieces, numbered, token_rows, word_pieces
from keras_squeezebert.tasks.task import Task
from keras_squeezebert.tokenizers.inputs import length_limit


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskedFeatures(Features):
    """Features whose pieces are hidden anew in every epoch.

    `inputs` and `labels` are those of epoch 0, by which models are compared.

    Args:
        ids: The pieces with none hidden, int32 (rows, seq).
        owners: The example that each piece is from, int32 (rows, seq).
        masking: What hides them.
    """

    ids: np.ndarray
    owners: np.ndarray
    masking: Masking

    def batch(self, rows, epoch=0, pad_to_multiple_of=1):
        inputs, _ = super().batch(rows, epoch, pad_to_multiple_of)
        seq = inputs["input_ids"].shape[-1]
        ids, labels = self.masking(self.ids[rows, :seq], rows, epoch)
        return {**inputs, "input_ids": ids}, labels


@dataclass(frozen=True)
class MaskedLM(Task):
    """Texts of any length, in blocks of pieces of which some are hidden.

    Nothing of the texts is dropped: what does not fit in a block goes into the next. An
    answer is `{"pieces": 12, "right": 7, "loss": 31.5}`: how many pieces of the text
    were hidden, how many of them guessed, and the sum of their cross entropies.

    Args:
        packed: Whether texts follow one another in a block, with `[SEP]` between them,
            so that all blocks but the last are full; else each begins a block.
        rate: See :class:`Masking`, and so are the others.
        whole_words: As there.
        seed: As there.

    Raises:
        InputError: A number is out of its range.

    Example:
        >>> from keras_squeezebert import SqueezeBertConfig, SqueezeBertTokenizerFast
        >>> from keras_squeezebert.data import TextExamples
        >>> examples = TextExamples(["a cat sat", "on the mat of the house"])
        >>> task, config = MaskedLM(), SqueezeBertConfig()
        >>> tokenizer = SqueezeBertTokenizerFast()
        >>> features = task.encode(examples, tokenizer, config, max_length=8)
        >>> tokenizer.decode(features.ids[0], skip_special_tokens=False)
        '[CLS] a cat sat [SEP] on the [SEP]'
        >>> features.rows.tolist()  # the text that each block begins with
        [0, 1]

    Reference:
        Devlin et al. 2019, arXiv 1810.04805, section 3.1; blocks that are packed and
        masking that changes, Liu et al. 2019, arXiv 1907.11692, section 4.
    """

    packed: bool = True
    rate: float = 0.15
    whole_words: bool = False
    seed: int = 0

    architecture = "SqueezeBertForMaskedLM"

    def encode(self, examples, tokenizer, config, max_length=None):
        limit = length_limit(max_length, "longest", True, False, tokenizer.options)
        masking = Masking(tokenizer, self.rate, self.whole_words, self.seed)
        pieces = word_pieces(tokenizer, examples.texts)
        texts, _ = pieces.places()
        ids = pieces.ids[pieces.indices()]  # (pieces of all texts,)
        counts = pieces.counts[pieces.counts > 0]  # of what is cut into blocks
        if self.packed:
            between = np.cumsum(counts)[:-1]
            ids = np.insert(ids, between, tokenizer.sep_token_id)
            texts = np.insert(texts, between, texts[between - 1])
            counts = np.array([len(ids)])
        blocks = _blocks(ids, counts, limit - 2)
        inputs = token_rows(tokenizer, blocks)
        check_length(inputs["input_ids"].shape[-1], config)

        owners = np.full(inputs["input_ids"].shape, -1, "int32")
        rows, numbers = blocks.places()
        owners[rows, 1 + numbers] = texts[blocks.indices()]
        ids = inputs["input_ids"]
        masked, labels = masking(ids, range(len(ids)), 0)
        return MaskedFeatures(
            inputs={**inputs, "input_ids": masked},
            labels=labels,
            labels_of_tokens=True,
            rows=owners[:, 1],
            ids=ids,
            owners=owners,
            masking=masking,
            notes={"texts without pieces": int((pieces.counts == 0).sum())},
        )

    def condense(self, outputs, features, rows):
        """Of the logits, which are many, the loss of each label, and if it is right."""
        labels = features.labels[rows]  # (rows, seq)
        where = np.nonzero(labels != IGNORED_LABEL)
        expected = labels[where]  # (labels,)
        logits = outputs["logits"][where]  # (labels, vocabulary)
        highest = logits.max(axis=-1, initial=-np.inf)
        shifted = logits - highest[:, None]
        loss, right = np.zeros((2, *labels.shape), "float32")
        of_expected = np.take_along_axis(shifted, expected[:, None], axis=-1)[:, 0]
        loss[where] = np.log(np.exp(shifted).sum(axis=-1)) - of_expected
        right[where] = logits.argmax(axis=-1) == expected
        return {"loss": loss, "right": right}  # (rows, seq) each

    def decode(self, outputs, features, examples, config):
        hidden = np.nonzero(features.labels != IGNORED_LABEL)
        owners = features.owners[hidden]
        pieces, right, loss = (
            np.bincount(owners, weights, minlength=len(examples)).tolist()
            for weights in (None, outputs["right"][hidden], outputs["loss"][hidden])
        )
        return [
            {"pieces": pieces, "right": int(right), "loss": loss}
            for pieces, right, loss in zip(pieces, right, loss, strict=True)
        ]

    def metric(self, config):
        return METRICS["perplexity"]

    def score(self, examples, answers, config):
        """By what was hidden itself; `accuracy` is the share that was guessed."""
        pieces, right, losses = (
            [answer[name] for answer in answers] for name in ("pieces", "right", "loss")
        )
        figures = self.metric(config).compute(pieces, losses)
        return {**figures, "accuracy": sum(right) / sum(pieces)}


def _blocks(ids: np.ndarray, counts: np.ndarray, room: int) -> Pieces:
    """Rows of at most `room` pieces, of texts that lie one after the other."""
    owners, number = numbered(-(-counts // room))  # rounded up
    begins = np.cumsum(counts) - counts  # (texts,)
    skipped = number * room  # (rows,)
    return Pieces(
        ids,
        begins[owners] + skipped,
        np.minimum(counts[owners] - skipped, room),
    )
